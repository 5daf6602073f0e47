# The short names of everything; `make help` lists them. Each prints the plain command that it runs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# What you may set on the command line, as in `make train DATA=~/fat2019 SIZE=full`. `make help` shows each with the line
# above it.

# the data set: recordings and tables in the competition's layout
DATA    ?= demo/data
# the folder of fold weights
WEIGHTS ?= weights
# how is trained: best or silver
RECIPE  ?= best
# of the network: demo, small or full
SIZE    ?= small
# the folds that are trained, such as 0,1; all of them where it is empty
FOLDS   ?=
# the rehearsal's time limit, such as 60s; that of kernel.toml where it is empty
TIME    ?=
# how many bad days `make rehearse` plays
DAYS    ?= 50
# a note for a new version of the weights, or beside a submission
MESSAGE ?=
# a data set of real recordings, for the tests that want one
RECORDINGS ?=
# more options for the plain command that a target runs and prints
ARGS    ?=
# which torch: a GPU wants TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cu126"
TORCH   ?= $(or $(strip $(file < $(chosen))),torch==2.13.0)
# the Python that the environment is made with, 3.11 or newer
PYTHON  ?= $(shell command -v python3.11 || command -v python3)
# the Python of Kaggle's image, for `make test-image`
PYTHON312 ?= python3.12

venv := .venv
python := $(venv)/bin/python
ready := $(venv)/ready
chosen := $(venv)/torch

# A setting as one word of the shell, whatever is in it; as a path, which may begin with ~/; and behind its option.
quoted = '$(subst ','\'',$(value $1))'
path = $(if $(filter ~/%,$(firstword $(value $1))),~/$(subst '~/,',$(quoted)),$(quoted))
option = $(if $(value $2),$1 $(call quoted,$2))

# Another torch than the one that is there: the environment is made anew, by whichever target asks for it. What was chosen
# stays chosen when the environment is brought up to date.
ifneq ($(origin TORCH),file)
ifneq ($(strip $(TORCH)),$(strip $(file < $(ready))))
made_anew := yes
.PHONY: $(ready)
endif
endif
# Another Python: so, too.
ifeq ($(origin PYTHON),command line)
ifneq ($(shell "$(PYTHON)" --version 2>&1 || true),$(shell $(python) --version 2>&1 || true))
made_anew := yes
.PHONY: $(ready)
endif
endif

.PHONY: help setup demo test test-slow test-image check lint types bench train evaluate report describe export kernel \
  smoke simulate rehearse push-weights push pull-output submit release data layout clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo; echo "  settings, as in: make train DATA=recordings SIZE=full"
	@awk '/^# / { said = substr($$0, 3) } \
	  /^[A-Z0-9]+ *[?]=/ { printf "  %-12s %s%s\n", $$1 "=", said, $$3 ~ /^[a-z0-9]/ ? " (" $$3 ")" : "" }' $(MAKEFILE_LIST)

setup: $(ready) ## the environment .venv, made by every other target that needs it; TORCH= chooses the build of torch

$(ready): pyproject.toml constraints.txt
	@command -v "$(PYTHON)" >/dev/null || \
	  { echo "Python 3.11 or newer is needed, and none was found$(if $(PYTHON), as $(PYTHON)); install it or give PYTHON=" >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) does not run, or is older than Python 3.11; give another: make setup PYTHON=python3.12" >&2; exit 2; }
	@echo "setting up $(venv): torch and some ninety packages, a minute or two"
	"$(PYTHON)" -m venv $(if $(made_anew),--clear) $(venv)
	@$(if $(filter-out file,$(origin TORCH)),echo '$(TORCH)' > $(chosen))
	$(python) -m pip install --quiet --upgrade "pip>=25.1"
	$(python) -m pip install --quiet $(TORCH)
	$(python) -m pip install --quiet --constraint constraints.txt --group dev
	@echo '$(TORCH)' > $@

demo: $(ready) ## the whole way on a small data set of its own: data, two folds, kernel, rehearsal, score
	$(python) -m train_offline demo-data demo/data
	$(python) -m train_offline train --data demo/data --recipe $(RECIPE) --size demo --folds 0,1 --out demo/weights --again
	$(python) bundle.py
	$(python) simulate.py --data demo/data --weights demo/weights --time 60s --out demo/run

train: $(ready) ## fold weights from DATA, by RECIPE and SIZE, into WEIGHTS; FOLDS=0,1 for some of them
	$(python) -m train_offline train --data $(call path,DATA) --recipe $(RECIPE) --size $(SIZE) $(call option,--folds,FOLDS) --out $(call path,WEIGHTS) $(ARGS)

evaluate: $(ready) ## out-of-fold lwlrap of WEIGHTS on DATA, overall and per label
	$(python) -m train_offline evaluate --data $(call path,DATA) --weights $(call path,WEIGHTS) $(ARGS)

report: $(ready) ## WEIGHTS/report.html anew: curves, labels, picks, confusions, spectrograms (training draws it too)
	$(python) -m train_offline report --data $(call path,DATA) --weights $(call path,WEIGHTS) $(ARGS)

describe: $(ready) ## data-report.html: labels of DATA, durations, and silent, clipped, copied and known bad clips
	$(python) -m train_offline describe $(call path,DATA) $(ARGS)

export: $(ready) ## that the kernel predicts from WEIGHTS what training did; ARGS="--out DIR" copies what it needs
	$(python) -m train_offline export --data $(call path,DATA) --weights $(call path,WEIGHTS) $(ARGS)

kernel: $(ready) ## build/kernel.py and build/kernel-metadata.json, ready for `kaggle kernels push -p build`
	$(python) bundle.py $(ARGS)

smoke: $(ready) ## the same, but only after it has tagged three tiny clips with WEIGHTS
	$(python) bundle.py --smoke --weights $(call path,WEIGHTS) $(ARGS)

simulate: $(ready) ## the kernel's run on DATA with WEIGHTS under its limits; TIME=60s for a shorter one
	$(python) bundle.py
	$(python) simulate.py --data $(call path,DATA) --weights $(call path,WEIGHTS) $(call option,--time,TIME) $(ARGS)

rehearse: $(ready) ## DAYS=50 bad days of a minute each, ours and the silver solution's way side by side; some two hours
	$(python) bundle.py
	$(python) -m benchmarks.bad_days --data $(call path,DATA) --weights $(call path,WEIGHTS) --days $(DAYS) $(ARGS)

push-weights: $(ready) ## WEIGHTS to the Kaggle data set that kernel.toml names; MESSAGE= notes what is new
	$(python) publish.py weights --weights $(call path,WEIGHTS) $(call option,--message,MESSAGE) $(ARGS)

push: $(ready) ## the kernel to Kaggle; waits for its run, brings the output back and checks it
	$(python) bundle.py
	$(python) publish.py kernel --weights $(call path,WEIGHTS) $(ARGS)

pull-output: $(ready) ## the newest run's output into build/output, checked
	$(python) publish.py output $(ARGS)

submit: $(ready) ## the newest run's output to the competition, and its score; MESSAGE= beside it
	$(python) publish.py submit $(call option,--message,MESSAGE) $(ARGS)

release: push ## push, and submit what came back
	$(python) publish.py submit $(call option,--message,MESSAGE)

data: $(ready) ## the competition's data into data/, unpacked and counted
	$(python) publish.py data $(ARGS)

test: $(ready) ## every fast test; RECORDINGS=DIR lets some look at real recordings too
	$(python) -m pytest $(if $(value RECORDINGS),--recordings $(call path,RECORDINGS)) $(ARGS)

test-slow: $(ready) ## the slow tests as well
	$(python) -m pytest -m "slow or not slow" $(if $(value RECORDINGS),--recordings $(call path,RECORDINGS)) $(ARGS)

test-image: ## runtime and bundle with the versions of Kaggle's image; needs PYTHON312= and some GB of downloads
	$(PYTHON312) -m venv .venv-image
	.venv-image/bin/python -m pip install --quiet -r bundler/image-requirements.txt
	.venv-image/bin/python -m pytest tests/kernel_src tests/bundler $(ARGS)

lint: $(ready)
	$(venv)/bin/ruff check
	$(venv)/bin/ruff format --check

types: $(ready)
	$(venv)/bin/mypy

check: lint types test ## lint, types and tests: what must pass before a change goes in

bench: $(ready) ## every benchmark that needs no GPU, five to eight minutes; keeps the results; ARGS="network kernel" for some
	$(python) -m benchmarks.run_all $(ARGS)

clean: ## removes build/ (with what benchmarks.quality trained) and demo/; weights/, data/ and the environment stay
	rm -rf build demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

layout: $(ready) ## writes the layout in README.md anew
	$(python) docs/write_layout.py
