# SPDX-License-Identifier: Apache-2.0
# Every target sees to its own set-up: on a fresh Debian 12 or 13 start with any of them.

ARGS ?=
PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help flood-test test lint setup clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  Options go through ARGS: make flood-test ARGS="--mode tap --output DIR"'

flood-test: setup ## the main job: flood a forwarding guest in the lab, and judge it
	@.venv/bin/vhostaccel flood-test $(ARGS)

test: setup ## every test, the ones that boot the lab too
	@$(PYTHON) -m pytest -m "" $(ARGS)

lint: setup ## the linters alone, as the tests run them
	@$(PYTHON) -m pytest tests/contract/test_linters.py tests/contract/test_layers.py $(ARGS)

setup: ## provide packages, Python environment, kernel, tools; does only what is missing
	@setup/run

clean: ## remove what was made in this folder; runs/ and the cache folder stay
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find vhostaccel tests -name __pycache__ -prune -exec rm -rf {} +
