"""Programs: straight-line lists of equations over primitives; tracing, gradients and simplification of them."""
