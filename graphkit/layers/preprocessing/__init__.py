"""Preprocessing layers: numbers, categories, text, images, sound. `graphkit.layers` gathers their names."""
