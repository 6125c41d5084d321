# make speak   says a sentence in a built-in voice into out.wav
# make test    lint, types, unit tests, then the test that the shipped weights speak
# make browser drives the demo page in a Chromium that is on the PATH
# make slow    whole kits: the training kit on a CPU, the wheels in a clean environment
# make wheel  two wheels into dist/: the code, and the weights that it finds where both are installed
# make fuzz    2,000 mutants of voices, weights, configs, recordings and requests, five minutes
# make venv    only the environment; make dev: with the test tools
# make bench   times everything beside its peers (their own environment, build/bench) and writes
#              benchmarks/results; BENCH="ar_step rvq --repeats 2" for some rows, or --device cuda
# make gpu     tests, trains and times on a GPU: CONFIG=, OUT=, SECONDS=, SET="KEY=VALUE ...";
#              make gpu-smoke tries that on a CPU
# make docs    the pages of docs/ in build/site; a warning is an error
#
# Any Python from 3.10 on: make PYTHON=/path/to/python3 VENV=.venv

VENV ?= .venv
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.10 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; \
	done)
BIN = $(VENV)/bin
TEXT ?= The birch canoe slid on the smooth planks.
# The lock is tested with Python 3.11 on Linux; elsewhere the ranges of pyproject.toml hold.
CONSTRAINTS = $$($(BIN)/python -c 'import sys; ok = sys.version_info[:2] == (3, 11) and \
	sys.platform == "linux"; print("-c requirements.lock" if ok else "")')
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(CONSTRAINTS)

.PHONY: speak test slow fuzz browser lint bench gpu gpu-smoke venv dev docs lock wheel clean

speak: $(VENV)/.runtime
	$(BIN)/tts synthesize "$(TEXT)" -o out.wav

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not speaks and not slow and not fuzz and not browser"
	$(BIN)/python -m pytest -m "speaks and not browser" -rs

# What takes minutes, and is run on request.
slow fuzz: $(VENV)/.dev
	$(BIN)/python -m pytest -m $@ -rs

browser: $(VENV)/.dev
	@$(INSTALL) -e '.[dev,browser]'
	$(BIN)/python -m pytest -m browser -rs

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

BENCH ?=
PEERS = build/bench
bench: $(PEERS)/.peers
	TTS_HOME=$(CURDIR) $(PEERS)/bin/python -m benchmarks $(BENCH)

CONFIG ?= configs/systems/default_30m.yaml
OUT ?= build/out
SET ?=
SECONDS ?= 460
gpu: $(VENV)/.dev
	PYTHON=$(BIN)/python benchmarks/gpu.sh $(CONFIG) $(OUT) $(SECONDS) $(SET)
gpu-smoke: $(VENV)/.dev
	PYTHON=$(BIN)/python benchmarks/gpu.sh --smoke $(OUT)

# Peers alone are installed; PyTorch and what else they need is that of the project.
$(PEERS)/.peers: benchmarks/peers/requirements.txt pyproject.toml | $(VENV)/.dev
	rm -rf $(PEERS)
	$(BIN)/python -m venv $(PEERS)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
	  "$$($(PEERS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  -r benchmarks/peers/requirements.txt -e .
	@touch $@

venv: $(VENV)/.runtime
dev: $(VENV)/.dev

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.10 or newer found" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps make a second run instant; they age when what is to be installed changes.
$(VENV)/.runtime: pyproject.toml setup.py requirements.lock | $(BIN)/python
	@echo "installing into $(VENV): about 5 GB with PyTorch, some minutes the first time"
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@$(INSTALL) -e '.[dev]'
	@touch $@

docs: $(VENV)/.dev
	$(BIN)/mkdocs build --strict --quiet

# Refresh the lock from the ranges, with the versions of PyTorch that the weights are tested with.
lock:
	rm -rf build/lock
	python3.11 -m venv build/lock
	build/lock/bin/python -m pip install --quiet torch==2.11.0 torchaudio==2.11.0 -e '.[dev,browser]'
	{ echo "# Tested versions for Python 3.11 on Linux; made by: make lock"; \
	  build/lock/bin/python -m pip list --format=freeze --exclude-editable \
	  --exclude pip --exclude setuptools --exclude wheel; } > requirements.lock
	rm -rf build/lock

# The code, and its weights as a wheel of their own; what an older build left would come along.
wheel: $(VENV)/.dev
	rm -rf build/lib build/bdist.* checkpoints/build
	$(BIN)/python -m pip wheel --quiet --no-deps -w dist . ./checkpoints
	rm -rf checkpoints/build checkpoints/*.egg-info

clean:
	rm -rf build dist out.wav .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
