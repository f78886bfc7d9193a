# `make demo` and `make test` are all a newcomer needs. PYTHON chooses the interpreter (3.10 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Name or file of the demo's model.
MODEL ?= det200
OUT ?= demo
# A package index for torch and torchvision alone, such as PyTorch's own of CPU wheels; empty: pip's default.
TORCH_INDEX ?=

.PHONY: $(VENV) demo test lint format clean

# Stamped last, so that an install that was cut short is done again.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(BIN)/pip install --quiet torch torchvision --index-url $(TORCH_INDEX))
	$(BIN)/pip install --quiet --editable '.[dev]'
	$(BIN)/python -m tools.check_install
	touch $@

$(VENV): $(VENV)/.installed

demo: $(VENV)
	$(BIN)/python -m tools.demo --out $(OUT) --model $(MODEL)

test: $(VENV)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(VENV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
