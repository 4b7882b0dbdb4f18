# Everything is installed into .venv in this checkout. What is needed: Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
FUZZ ?= 20000
unexport PYTHONDONTWRITEBYTECODE  # else each of the tests' many processes compiles the package anew

.PHONY: help install run test nightly check smoke format cover bench simulate simulate-day agents-at-once chaos clean

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 18

install: $(VENV)/.installed  ## set up .venv with scheduled-prompts and its embedded server

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv module is missing (on Debian: apt install python3-venv)"; exit 1; }

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	@echo "installing into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[embedded,mcp,testing,webhook]"
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[embedded,langchain,mcp,pydantic-ai,testing,webhook]" --group dev
	@touch $@

run: install  ## start the daemon (ARGS="--slots 10" …)
	@exec $(BIN)/scheduled-prompts serve $(ARGS)

test: $(VENV)/.dev  ## run all tests (ARGS="-k name" …)
	@$(BIN)/python -m pytest -n 5 --dist worksteal $(ARGS)

nightly: $(VENV)/.dev  ## the tests that take minutes (ARGS="-k name" …)
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m nightly --timeout 1800 $(ARGS) || [ $$? = 5 ]
	@FUZZ=$(FUZZ) $(BIN)/python -m pytest -n 2 --dist worksteal --timeout 7200 tests/fuzz $(ARGS) || [ $$? = 5 ]  # 5: ARGS chose none of them

check: $(VENV)/.dev  ## lint and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

smoke: $(VENV)/.dev  ## every command once, by the built wheel in an empty environment
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$$folder" . && \
	$(PYTHON) -m venv "$$folder/venv" && \
	"$$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
		"$$(echo $$folder/*.whl)[embedded,mcp,webhook]" && \
	"$$folder/venv/bin/python" tests/wheel/smoke.py

format: $(VENV)/.dev  ## let ruff format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

cover: $(VENV)/.dev  ## branch coverage of the package
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -n 5 --dist worksteal $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --skip-covered

bench: $(VENV)/.dev  ## measure lateness
	@$(BIN)/python benchmarks/lateness.py $(ARGS)

SEEDS ?= 0-9
simulate: $(VENV)/.dev  ## attack simulated days (SEEDS=0-299; SEEDS=17 ARGS=--trace)
	@$(BIN)/python -m tests.simulation.run --seeds $(SEEDS) $(ARGS)

simulate-day: $(VENV)/.dev  ## live a day of 1,000 prompts in virtual time, and account for it
	@$(BIN)/python benchmarks/simulated_day.py $(ARGS)

agents-at-once: $(VENV)/.dev  ## fifty agents in processes of their own against quotas, for a minute
	@$(BIN)/python tests/e2e/agents_at_once.py $(ARGS)

chaos: $(VENV)/.dev  ## real processes, killed, stopped, cut off: 20,000 fires, then a soak of 30 minutes (ARGS=--mutations, …)
	@$(BIN)/python -m tests.chaos.run $(ARGS)

clean:  ## remove .venv and what tools left
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* htmlcov
