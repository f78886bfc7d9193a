# `make demo` and `make test` are all a newcomer needs. PYTHON chooses the interpreter (3.10 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A model file for the demo; empty: fetch BVLC's GoogLeNet (53.5 MB) into the cache folder.
MODEL ?= $(firstword $(wildcard ../shared/weights/bvlc_googlenet.safetensors))
OUT ?= demo

.PHONY: demo test lint format clean

$(VENV): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	$(BIN)/python -m tools.check_install
	touch $(VENV)

demo: $(VENV)
	$(BIN)/python -m tools.demo --out $(OUT) --model $(or $(MODEL),bvlc_googlenet)

test: $(VENV)
	$(BIN)/python -m pytest

lint: $(VENV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
