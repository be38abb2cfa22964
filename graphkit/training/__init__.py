"""Training: compile, fit, evaluate, predict, the data they take, and the compiled training step."""
