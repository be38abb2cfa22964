"""Training: compile, fit, evaluate, predict, the data they accept, and the compiled training step."""
