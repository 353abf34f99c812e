# Everything that is done with this project, by name. `make` alone lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STORE  ?=

.DEFAULT_GOAL := help
.PHONY: help demo test coverage kill race break bench check lint types imports wheel screenshots snapshots clean

help:  ## list what can be made
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/app: pyproject.toml | $(VENV)/made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/dev: pyproject.toml | $(VENV)/made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/app

demo: $(VENV)/app  ## open the application on a sample store
	$(BIN)/prunella demo

test: $(VENV)/dev  ## run all tests
	$(BIN)/pytest -n auto

coverage: $(VENV)/dev  ## run all tests in random order and report branch coverage; fails below the limits
	$(BIN)/pytest -n auto -p pytest_randomly --cov --cov-report=
	$(BIN)/coverage report --include='core/*' --fail-under=95
	$(BIN)/coverage report --include='core/prunella_core/apply/*,core/prunella_core/operations/*' --fail-under=100

kill: $(VENV)/dev  ## kill every operation at every step, let Ollama start after it; print points and losses
	$(BIN)/python tests/safety/kill_matrix.py
	$(BIN)/python tests/safety/kill_matrix.py --guard --every 3

race: $(VENV)/dev  ## prune while Ollama pulls, removes and starts; print rounds and losses
	$(BIN)/python tests/safety/race.py 1000
	$(BIN)/python tests/safety/race.py 600 --guard

break: $(VENV)/dev  ## break the core on purpose in each way of tests/breakages.toml; print what no test noticed
	$(BIN)/python tests/breakages.py

bench: $(VENV)/dev  ## time it against du, find and others; write benchmarks/RESULTS.md (QUICK=1: small, only print)
	$(BIN)/python benchmarks/bench.py --date $$(date -u +%F) $(if $(QUICK),--quick)

check: lint types imports wheel  ## lint, types, import contract, built wheel

lint: $(VENV)/dev  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev  ## mypy, strict
	$(BIN)/mypy

imports: $(VENV)/dev  ## the import contract: core knows no front end
	$(BIN)/lint-imports

wheel: $(VENV)/dev  ## build the wheel and try it in a fresh environment
	PYTHON=$(BIN)/python sh .ci/wheel

screenshots: $(VENV)/dev  ## take the screenshots again
	$(BIN)/python screenshots/take.py screenshots

snapshots: $(VENV)/dev  ## accept today's screens as the ones the tests compare with
	$(BIN)/pytest tests/tui/app/test_app_screens.py -n 2 --snapshot-update

clean:  ## remove what was built here
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .coverage .hypothesis .import_linter_cache
