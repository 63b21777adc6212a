# Each target sets up what it needs: `make demo` and `make test` work on a fresh machine with Python 3.11+.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test lint docs bench clean

setup: .venv/dev-installed

.venv/core-installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

# What there is no wheel of for every Python and system: without it, its tests skip.
OPTIONAL := litert tflm ethos-u mcu

.venv/dev-installed: .venv/core-installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	for extra in $(OPTIONAL); do \
		$(BIN)/python -m pip install --quiet --prefer-binary --editable ".[$$extra]" || echo "no $$extra: its tests skip"; \
	done
	touch $@

demo: .venv/core-installed
	$(BIN)/sezoo demo

# With compiled files, also where PYTHONDONTWRITEBYTECODE is set: each process of tests would compile all tests anew,
# which takes longer than to import them, and the tests start sezoo a few hundred times.
test: export PYTHONDONTWRITEBYTECODE :=
test: .venv/dev-installed
	$(BIN)/python -m compileall -q src
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: .venv/dev-installed
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/ruff format --check src tests benchmarks tools
	$(BIN)/python -m mypy

docs: .venv/dev-installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

bench: .venv/dev-installed
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/quantization.py
	$(BIN)/python benchmarks/evaluation.py
	$(BIN)/python benchmarks/training_loader.py

clean:
	rm -rf .venv site .pytest_cache .ruff_cache .mypy_cache .hypothesis dist
