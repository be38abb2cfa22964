"""Defects on purpose, and a command that plants them one at a time to see which test notices."""
