# `make run` and `make test` set up everything they need, from a bare Python 3.11 up.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup run test check slow bench clean

setup: .venv/.dev

.venv/bin/pip:
	$(PYTHON) -m venv .venv

.venv/.core: pyproject.toml requirements.lock | .venv/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable .
	@touch $@

.venv/.dev: .venv/.core
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[dev,diffusion,lm,text]'
	@touch $@

run: .venv/.core
	$(BIN)/outcross run gmm

test: .venv/.dev
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: .venv/.dev
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

slow: .venv/.dev
	$(BIN)/python -m pytest -m slow

bench: .venv/.dev
	$(BIN)/python -m benchmarks.chain
	$(BIN)/python -m benchmarks.exact
	$(BIN)/python -m benchmarks.vae
	$(BIN)/python -m benchmarks.ngram
	$(BIN)/python -m benchmarks.language
	$(BIN)/python -m benchmarks.teacher

clean:
	rm -rf .venv
