"""Foreign formats, a folder each; found through the entry-point group "graphkit.converters"."""
