# Every habit is one line, and sets up by itself what it needs: wheels only, no root, no compiler (where there is one,
# the hot modules are compiled: docs/decisions/compiled-hot-path.md).
PY ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check

.PHONY: demo test lint setup wheel format docs bench bench-quick fuzz clean

# `make demo` needs what users need; the first run takes about half a minute
demo: $(VENV)/.ready
	$(BIN)/bascule demo

test: setup
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(VENV)/.dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: $(VENV)/.compiled

$(BIN)/pip:
	$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Bascule needs Python 3.11 or later: make PY=python3.11")'
	$(PY) -m venv $(VENV) || { rm -rf $(VENV); echo "Debian has venv in a package: apt-get install python3-venv"; false; }

$(VENV)/.ready: pyproject.toml | $(BIN)/pip
	$(PIP) -e .
	touch $@

$(VENV)/.dev-ready: pyproject.toml $(VENV)/.ready
	$(PIP) -e '.[test,lint]'
	touch $@

# takes a minute; until then, and without a compiler, everything is interpreted
$(VENV)/.compiled: setup.py compiled.txt $(shell cat compiled.txt) | $(VENV)/.dev-ready
	BASCULE_COMPILE=$${BASCULE_COMPILE-$(if $(CI),1,auto)} $(BIN)/python setup.py -q build_ext --inplace
	touch $@

# a wheel that holds the compiled modules: dist/bascule-*.whl
wheel: $(VENV)/.dev-ready
	BASCULE_COMPILE=1 $(BIN)/python -m pip wheel -q --no-deps --no-build-isolation -w dist .

format: $(VENV)/.dev-ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# docs/reference.md is written from the schema, the tables of docs/operations.md from telemetry's names
docs: setup
	$(BIN)/python -m bascule.config.reference
	$(BIN)/python -m tests.docs.tables

$(VENV)/.bench-ready: pyproject.toml $(VENV)/.ready
	$(PIP) -e '.[bench]'
	touch $@

$(VENV)/.fuzz-ready: pyproject.toml $(VENV)/.ready
	$(PIP) -e '.[test,fuzz]'
	touch $@

# every target for SECONDS; some: make fuzz TARGETS="path pac" SECONDS=600
SECONDS ?= 60
TARGETS ?= $(filter-out __init__ drive,$(basename $(notdir $(wildcard fuzz/*.py))))
fuzz: $(VENV)/.fuzz-ready
	for target in $(TARGETS); do \
		$(BIN)/python -m fuzz.$$target -max_total_time=$(SECONDS) || exit 1; done

# make bench CRS=DIR adds the WAF workloads; BENCH takes further options
bench: setup $(VENV)/.bench-ready
	$(BIN)/python -m benchmarks $(if $(CRS),--crs $(CRS)) $(BENCH)

bench-quick: setup $(VENV)/.bench-ready
	$(BIN)/python -m benchmarks --quick $(if $(CRS),--crs $(CRS)) $(BENCH)

clean:
	find bascule -name '*.so' -delete
	rm -rf bascule__mypyc*.so bascule/compiled.json $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .bench .demo
