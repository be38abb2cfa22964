"""The base layer: errors, names, dtypes, sizes, nested structures. Imports nothing else of graphkit."""
