# Two commands for everybody: `make demo` and `make test`. Both set up what they need on a bare Debian 12 as root.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Debian packages: the virtual environment, the lab (a virtual machine made from Debian's own packages), the kernel rig
APT_BASE := python3-venv make
APT_LAB := $(shell cat netplan/lab/packages.txt 2>/dev/null)
APT_TEST := user-mode-linux kmod iproute2 containernetworking-plugins openvswitch-switch ovn-central ovn-host docker.io \
  busybox-static nftables iputils-ping
PYTEST := $(BIN)/python -m pytest

.PHONY: help setup demo test check bench format golden drills clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# $(call apt,PACKAGES): install what is missing, and touch nothing when nothing is
define apt
	@missing=""; for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q ' installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing:$$missing"; export DEBIAN_FRONTEND=noninteractive; \
	  apt-get -qq update && apt-get -qq install --no-install-recommends $$missing >/dev/null; fi
endef

$(VENV)/.main: requirements/main.txt requirements/build.txt pyproject.toml
	$(call apt,$(APT_BASE))
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip -q install --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/main.txt
	$(BIN)/pip -q install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.main
	$(BIN)/pip -q install --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(VENV)/.dev ## virtual environment with everything for development

demo: $(VENV)/.main ## the whole job on a real cluster in this machine: lab, plan, render, apply, proof, lab removed
	$(call apt,$(APT_LAB))
	$(BIN)/ipsecplan lab demo

check: $(VENV)/.dev ## every commit: format, lint, types, import contracts, fast tests
	$(BIN)/ruff format --check -q .
	$(BIN)/ruff check -q .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -q -n 2 -m "not lab and not slow and not kernel and not drill"

test: $(VENV)/.dev ## all that holds on main: check, then real kernels and the lab
	$(call apt,$(APT_LAB) $(APT_TEST))
	$(MAKE) check
	$(PYTEST) -q -n 2 -m "slow and not lab and not kernel and not drill"
	$(PYTEST) -q -m kernel
	$(PYTEST) -q -n 2 --dist loadgroup --no-loadscope-reorder -m "lab and not drill" --durations 12

bench: $(VENV)/.dev ## speed goals as ratios, both sides measured in one run
	$(BIN)/python -m benchmarks

drills: $(VENV)/.dev ## what takes longer than a change should wait for
	IPSECPLAN_DRILLS=1 $(PYTEST) -m "slow or lab or kernel or drill"

format: $(VENV)/.dev ## format and fix what can be fixed
	$(BIN)/ruff format -q .
	$(BIN)/ruff check -q --fix .

golden: $(VENV)/.dev ## rewrite expected outputs; then read the diff
	UPDATE_GOLDEN=1 $(PYTEST) -q -n 2 -m "not lab and not kernel" || true
	git diff --stat tests

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
