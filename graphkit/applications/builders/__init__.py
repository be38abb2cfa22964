"""The builders of the families of nets. Each takes the images and what was asked for, and returns the outputs."""
