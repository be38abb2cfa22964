"""The engine: programs compiled for given shapes and run on NumPy."""

from graphkit.engine.plan import Plan, compile_program, run

__all__ = ["Plan", "compile_program", "run"]
