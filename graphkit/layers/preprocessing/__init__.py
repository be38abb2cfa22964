"""Preprocessing layers for numbers, categories, text, images and audio. `graphkit.layers` exports them."""
