# `make demo` and `make test` do all their own set-up in .venv; nothing else is needed than Python.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Build requirements are pinned too: pip hands PIP_CONSTRAINT down to isolated builds.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint clean

demo: $(VENV)/installed
	$(BIN)/mrfashion demo --out demo-out

test: lint
	$(BIN)/pytest -n 2

lint: $(VENV)/installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info demo-out

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12) and \
	    f"Python 3.11 or 3.12 is needed; got {sys.version.split()[0]}: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[cpu,dev,shots,train]'
	touch $@
