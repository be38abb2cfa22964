"""Deliberate defects, and a command that plants them one at a time and reports which test notices (mutation testing)."""
