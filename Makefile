# The usual tasks. `VENV=path make check` uses another environment.
VENV ?= .venv
SITE ?= site
PYTHON ?= python3

.PHONY: install check test docs

install:  # an environment for development
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet -e '.[dev,docs]'

check:  # lint, format, types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

test:  # the default tests
	$(VENV)/bin/pytest -n 2

docs:  # the site; warnings and broken links are errors
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --site-dir $(SITE)
