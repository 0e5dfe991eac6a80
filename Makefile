# make demo       trains the example, a synthetic lidar scene, through Prefect; run it again to resume
# make test       the quick tests                  make test-all   tests with services, browser, kills
# make check      ruff, mypy, architecture         make bench      the benchmarks and their tables
# make soak       kills trainings at random and compares results: N=100, SEED=, WRITE=1 for the docs;
#                 with DAMAGE=1, damages files of the store between commands instead: N=100, SEED=
# Targets install .venv first, and again whenever pyproject.toml or constraints.txt has changed.
# WRITE=1 writes the result to docs/reliability.md.

PYTHON ?= python3
SPEC ?= examples/lidar.yaml
N ?= 100
STAMP := .venv/.installed
# One process per core; the tests of one file stay in one process, so that their fixtures are built once.
# See docs/decisions/0027-one-test-process-per-core.md.
SPREAD := -n auto --dist loadfile
# Turns off Prefect's telemetry.
export DO_NOT_TRACK ?= 1

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all soak check bench constraints

help:
	@sed -n 's/^# //p' Makefile | head -6

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# A single plain command, so that make runs it without a shell. A Ctrl-C then reaches only the training,
# and the prompt returns once its state is saved.
demo: $(STAMP)
	@.venv/bin/frostline train $(SPEC)

test: $(STAMP)
	.venv/bin/python -m pytest $(SPREAD) -m "not service"

test-all: $(STAMP)
	.venv/bin/python -m pytest $(SPREAD) -m service

soak: $(STAMP)
ifdef DAMAGE
	.venv/bin/python -m tests.faults.damage_soak --damages $(N) $(if $(SEED),--seed $(SEED))
else
	.venv/bin/python -m tests.faults.soak --kills $(N) $(if $(SEED),--seed $(SEED)) $(if $(WRITE),--write)
endif

check: $(STAMP)
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache --no-logo
	.venv/bin/python -m tests.architecture

bench: $(STAMP) build/peers/.installed
	.venv/bin/python -m benchmarks

# A separate environment, because Keras imports JAX if it is installed, which delays its start.
build/peers/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv build/peers
	build/peers/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[peers]'
	@touch $@

# Regenerates constraints.txt from a new environment, built from pyproject.toml alone.
constraints:
	rm -rf build/pins && $(PYTHON) -m venv build/pins
	build/pins/bin/python -m pip install --quiet --disable-pip-version-check -e '.[peers]'
	{ sed -n '/^#/p' constraints.txt; build/pins/bin/python -m pip freeze --exclude-editable; } > build/constraints.txt
	mv build/constraints.txt constraints.txt && rm -rf build/pins
