PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# where the arrays of CIFAR-10 lie: one .npz with x_train, y_train, x_test, y_test
CIFAR10 ?= cifar10.npz
SUITES ?= data step score coverage ranking losses distill samplers

.PHONY: install demo test test-slow check format docs bench results clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "kdsearch needs Python 3.11 or newer: make install PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -c constraints.txt -e ".[ray,executorch,onnx,dashboard,bench,dev]"
	touch $(STAMP)

# the shipped study that runs in minutes on two cores, with data that are installed already
demo: install
	OMP_NUM_THREADS=1 $(BIN)/kdsearch launch search_spaces/quickstart.yaml || [ $$? = 3 ]  # 3: its minutes were used up, the result holds

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --durations 30 --durations-min 5 -m "not slow"

test-slow: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow --timeout 900

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# the page of a study's keys, from the options themselves
docs: install
	sed -i '/^## a study/,$$d' docs/study.md
	$(BIN)/kdsearch keys >> docs/study.md

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# one JSON file a suite under runs/bench
bench: install
	mkdir -p runs/bench
	set -e; for suite in $(SUITES); do \
	  echo "bench $$suite"; $(BIN)/kdsearch bench $$suite --json > runs/bench/$$suite.json; done

# the table of results in the README: winner against uniform, full and random nets; what was stopped goes on
RESULTS := runs/results
DIGITS := --set 'limits.macs=[25%, 10%]' --set finish.seeds=3 --set finish.controls.random=3
MOBILENET := --set name=mobilenetv2-cifar10 --set 'student={timm: mobilenetv2_100, stem_stride: 1, divisor: 8}' \
	--set 'strategy.augment={crop: 0}' --set strategy.pretrain_epochs=12 --set strategy.epochs=16 \
	--set budget.trials=480 --set 'finish.augment={crop: 0}' --set finish.epochs=12
define run_or_resume
if [ -e $(RESULTS)/$(1)/spec.json ]; then $(BIN)/kdsearch resume $(RESULTS)/$(1); \
else $(BIN)/kdsearch launch $(2) --run-dir $(RESULTS)/$(1); fi || [ $$? = 3 ]
endef

results: install
	mkdir -p $(RESULTS)
	$(call run_or_resume,mnist5k,metapruning.yaml $(DIGITS))
	$(call run_or_resume,vgg16-cifar10,metapruning_cifar10.yaml --set task.npz=$(CIFAR10))
	$(call run_or_resume,mobilenetv2-cifar10,metapruning_cifar10.yaml --set task.npz=$(CIFAR10) $(MOBILENET))
	$(BIN)/kdsearch bench results

# everything that was built; runs/ stays
clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
