# The first command on a fresh machine: each target makes the virtual environment and installs everything itself.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test lint help constraints clean
.DEFAULT_GOAL := help

help: ## Say what there is to make
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(READY) ## Run the whole line on a small library that is rendered here (three minutes)
	$(BIN)/genre-batch demo

# Two processes on two cores: threads of each would wait for those of the other, and take a fifth longer.
test: export OMP_NUM_THREADS = 1
test: $(READY) ## Run all tests
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

lint: $(READY) ## Check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

constraints: $(READY) ## Resolve all versions anew into constraints.txt
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra microphone --universal --python-version 3.11 --no-header --no-annotate --upgrade -o constraints.txt

clean: ## Remove the virtual environment and the demo
	rm -rf .venv demo

$(READY): pyproject.toml constraints.txt
	@echo "Making .venv and installing some 7 GB of packages, PyTorch with CUDA before all: two to five minutes, once."
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed; say PYTHON=python3.11"'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -c constraints.txt -e '.[dev]'
	@touch $(READY)
