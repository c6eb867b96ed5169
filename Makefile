# Every habit is one line. `make demo` and `make test` set up by themselves.
PY ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: setup demo test lint format bench bench-quick fuzz docs clean

$(VENV)/.ready: pyproject.toml
	test -x $(BIN)/python || $(PY) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e '.[test,lint]'
	touch $@

setup: $(VENV)/.ready

demo: setup
	$(BIN)/bascule demo

test: setup
	$(BIN)/python -m pytest -n auto

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.bench-ready: pyproject.toml
	$(BIN)/python -m pip install -q -e '.[bench]'
	touch $@

# make bench CRS=DIR adds the WAF workloads; BENCH takes further options
bench: setup $(VENV)/.bench-ready
	$(BIN)/python -m benchmarks $(if $(CRS),--crs $(CRS)) $(BENCH)

bench-quick: setup $(VENV)/.bench-ready
	$(BIN)/python -m benchmarks --quick $(if $(CRS),--crs $(CRS)) $(BENCH)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .bench .demo
