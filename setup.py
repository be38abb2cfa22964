"""Finds the packages: those of graphkit/, and those of converters/ as graphkit.converters. All else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["graphkit", "graphkit.*"]),
        *(f"graphkit.{name}" for name in find_packages(include=["converters", "converters.*"])),
    ]
)
