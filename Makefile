# What is done often. Set PYTHON to use another environment than the active one.
PYTHON ?= python

.PHONY: test all fast lint docs bench

test:
	$(PYTHON) -m pytest

all:
	$(PYTHON) -m pytest -m "slow or not slow"

fast:
	$(PYTHON) -m pytest -n 0 tests/test_architecture.py tests/test_schema.py \
	  tests/test_command_line.py tests/test_cli.py tests/test_experiment.py tests/test_docs.py

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m pyright

docs:
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict
	$(PYTHON) -m pytest -n 0 tests/test_docs.py tests/test_docs_python.py

bench:
	$(PYTHON) -m benchmarks.train_step
