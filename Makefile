# make demo       a real freeze training on a synthetic lidar scene, through Prefect; typed again it goes on, or answers
# make test       the quick tests                      make test-all   those with real services, browsers, kills
# make check      ruff and mypy                        make bench      the benchmarks, and the tables made from them
# make soak       kills trainings at random and compares what is left: N=100 kills, SEED=, WRITE=1 for docs/reliability.md
#                 with DAMAGE=1: damages files of the store between commands, and compares what is answered: N=100 damages
# Everything is installed into .venv, once for each pyproject.toml and constraints.txt.

PYTHON ?= python3
SPEC ?= examples/lidar.yaml
N ?= 100
STAMP := .venv/.installed
# A process for each core; what a file's tests share is made once.
SPREAD := -n auto --dist loadfile
# Prefect tells of what was run to its makers unless told not to.
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

# One plain command, so that make runs it without a shell between: a Ctrl-C then reaches the training alone,
# and the prompt is back when its state is saved.
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

bench: $(STAMP) build/peers/.installed
	.venv/bin/python -m benchmarks

# Apart, since Keras imports JAX where it finds it, and begins later for it.
build/peers/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv build/peers
	build/peers/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[peers]'
	@touch $@

# The pins, from a new environment made of pyproject.toml alone.
constraints:
	rm -rf build/pins && $(PYTHON) -m venv build/pins
	build/pins/bin/python -m pip install --quiet --disable-pip-version-check -e '.[peers]'
	{ sed -n '/^#/p' constraints.txt; build/pins/bin/python -m pip freeze --exclude-editable; } > build/constraints.txt
	mv build/constraints.txt constraints.txt && rm -rf build/pins
