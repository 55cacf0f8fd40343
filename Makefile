# Every target makes the environment first; once it stands, that costs nothing.
PYTHON ?= python3.11
UV := .uv/bin/uv
READY := .venv/.ready

export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Nothing here reports to anyone.
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export NO_ALBUMENTATIONS_UPDATE := 1
# Compiled once and kept, whatever the caller's environment says: each of many processes would compile torch anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install demo stack test test-stack lint format paper ablation requirements clean

help:  ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(READY)  ## Make .venv with everything in it

demo: $(READY)  ## Train on the photographs that ship, evaluate, and show the results
	dvc repro
	scenehue report

stack: $(READY)  ## Start PostgreSQL, S3, MLflow, Prefect and a worker on this machine, until Ctrl-C
	@python -m infra up

PYTEST := OMP_NUM_THREADS=1 pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile

# Those of the flows in processes of their own: once Prefect is imported, forked ones, such as torch's loaders, fail at exit.
test: $(READY)  ## Run the tests, and the examples in the docstrings
	$(PYTEST) --ignore=flows --ignore=tests/flows $(ARGS) $(if $(ARGS),|| test $$? = 5)
	$(PYTEST) flows tests/flows $(ARGS) $(if $(ARGS),|| test $$? = 5)

test-stack: $(READY)  ## Run the tests that start the whole stack
	OMP_NUM_THREADS=1 pytest -m stack tests/stack tests/registry $(ARGS)

lint: $(READY)  ## Check style, format and types
	ruff check .
	ruff format --check .
	mypy

format: $(READY)  ## Mend style and format where that is automatic
	ruff check --fix .
	ruff format .

paper: $(READY)  ## Train and evaluate the paper's own configuration as one experiment
	python scripts/experiments.py experiments/paper.yaml $(ARGS)

ablation: $(READY)  ## Queue the paper's table as experiments, run them, print it
	python scripts/experiments.py experiments/ablation.yaml $(ARGS)

requirements: $(UV)  ## Compile the requirements anew after a change of pyproject.toml
	UV_CUSTOM_COMPILE_COMMAND="make requirements" $(UV) pip compile pyproject.toml --all-extras --universal \
		--generate-hashes --no-annotate --no-emit-index-url --quiet --output-file requirements.txt

clean:  ## Remove the environment and the tools' caches
	rm -rf .venv .uv .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(UV): requirements-uv.txt
	$(PYTHON) -m venv --clear .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-uv.txt
	@touch $@

$(READY): $(UV) requirements.txt pyproject.toml
	test -x .venv/bin/python || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip sync --python .venv --require-hashes requirements.txt
	$(UV) pip install --python .venv --quiet --no-deps --no-build-isolation --editable .
	@touch $@
