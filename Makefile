# Two commands for everybody: `make demo` and `make test`. Both set up what they need on a bare Debian 12, 13 or sid as root.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Debian packages: the virtual environment, the lab (a virtual machine made from Debian's own packages), the kernel rig
APT_BASE := python3-venv
APT_CHECK := iproute2 openssh-client
APT_LAB := $(shell cat netplan/lab/packages.txt 2>/dev/null)
APT_TEST := git user-mode-linux kmod iproute2 containernetworking-plugins openvswitch-switch ovn-central ovn-host docker.io \
  busybox-static nftables iputils-ping chromium zsh fish man-db $(shell . /etc/os-release 2>/dev/null; [ "$$ID$$VERSION_ID" = debian12 ] || echo docker-cli)
PYTEST := $(BIN)/python -m pytest
# containers set it; then each of some thousand processes would compile our modules, and each stage its tests, again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test check pythons slow kernel lab bench fuzz mutants graph format golden site collection sbom advisories drills clean .types .fast .test-setup

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# $(call apt,PACKAGES): install what is missing, and touch nothing when nothing is; whoever can't is told what is missing
define apt
	@command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || { echo "no apt here: $(1) are Debian's names of what this needs"; exit 0; }; \
	missing=""; for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q ' installed' || missing="$$missing $$p"; done; \
	[ -n "$$missing" ] || exit 0; \
	[ "$$(id -u)" = 0 ] || { echo "missing here; as root: apt-get install --no-install-recommends$$missing"; exit 1; }; \
	echo "installing:$$missing"; export DEBIAN_FRONTEND=noninteractive; \
	apt-get -qq update && apt-get -qq -o DPkg::Lock::Timeout=600 install --no-install-recommends $$missing >/dev/null
endef

$(VENV)/.main: requirements/main.txt requirements/build.txt pyproject.toml
	$(if $(shell $(PYTHON) -c 'import ensurepip, venv; print(1)' 2>/dev/null),,$(call apt,$(APT_BASE)))
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip -q install --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/main.txt
	$(BIN)/pip -q install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.main
	$(BIN)/pip -q install --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# Debian's Prometheus and node_exporter for tests, unpacked: as packages they are services that listen on every address;
# promtool has a package of its own from Debian 13 on
$(VENV)/.watch: | $(VENV)/.dev
	@command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { echo "no apt here: tests want promtool"; exit 0; }; \
	rm -rf $(VENV)/watch && mkdir $(VENV)/watch && cd $(VENV)/watch && \
	get() { own="$$(apt-cache -q show promtool 2>/dev/null | grep -q . && echo promtool)"; \
	  apt-get -qq -o APT::Sandbox::User=root download prometheus $$own prometheus-node-exporter; }; \
	{ get 2>/dev/null || { apt-get -qq update && get; }; } && \
	for p in *.deb; do dpkg-deb -x $$p . || exit 1; done && rm *.deb && \
	for p in usr/bin/*; do ln -sf ../watch/$$p ../bin/ || exit 1; done
	@touch $@

setup: $(VENV)/.dev ## virtual environment with everything for development

demo: $(VENV)/.main ## the whole job on a real cluster in this machine: lab, plan, render, apply, verify; KEEP=1 keeps the lab
	$(call apt,$(APT_LAB))
	$(BIN)/ipsecplan lab demo $(if $(RELEASE),--release $(RELEASE)) $(if $(MIX),--mix $(MIX)) $(if $(KERNEL),--kernel $(KERNEL)) \
	  $(if $(BACKEND),--backend $(BACKEND)) $(if $(KEEP),--keep)

check: $(VENV)/.dev ## every commit: format, lint, spelling, types, import contracts, fast tests
	$(call apt,$(APT_CHECK))
	$(BIN)/ruff format --check -q .
	$(BIN)/ruff check -q .
	$(BIN)/codespell
	@$(MAKE) --no-print-directory -j 2 .types .fast

# side by side: types and contracts keep one processor busy, and the tests wait for processes and timers now and then
.types:
	$(BIN)/mypy
	$(BIN)/lint-imports

.fast:
	$(PYTEST) -q -n 2 -m "not lab and not slow and not kernel and not drill"
	@$(BIN)/python -m tests.docs_count

# Stages, their order and their shares of the time: tests/ci/stages.py
test: ## all that holds on main: check, other Pythons, then real kernels and the lab; each stage against its time
	@date +%s >.began
	@$(MAKE) --no-print-directory .test-setup
	@$(BIN)/python -m tests.ci.stages --began $$(cat .began)

.test-setup: $(VENV)/.dev $(VENV)/.watch .venvs/axe/.done
	$(call apt,$(APT_CHECK) $(APT_LAB) $(APT_TEST))
	$(BIN)/python -m tests.ci.emulator
	$(BIN)/python -m tests.ci.pythons --prepare

pythons: $(VENV)/.dev ## fast tests and the planner's pictures on the oldest and the newest supported Python
	$(BIN)/python -m tests.ci.pythons

slow: $(VENV)/.dev .venvs/axe/.done # three processes: a third of these tests mostly wait, for processes and timers of a node
	$(PYTEST) -q -n 3 --dist worksteal -m "slow and not lab and not kernel and not drill" --durations 20

kernel: $(VENV)/.dev
	$(PYTEST) -q -m "kernel and not drill" tests/kernel

lab: $(VENV)/.dev
	$(PYTEST) -v -n 2 --dist loadgroup --no-loadscope-reorder -m "lab and not drill" --durations 40 tests/lab tests/kernel

bench: $(VENV)/.dev ## speed goals as ratios, both sides measured in one run
	$(BIN)/python -m benchmarks

drills: $(VENV)/.dev .venvs/axe/.done ## what takes longer than a change should wait for
	IPSECPLAN_DRILLS=1 $(PYTEST)
	$(BIN)/python -m tests.fuzz --minutes 60
	$(BIN)/python -m tests.ci.pythons --all

# the rules that tests apply to pages in a browser: one script, unpacked beside the environments
.venvs/axe/.done: requirements/axe.txt $(VENV)/.main
	rm -rf .venvs/axe
	$(BIN)/pip -q install --disable-pip-version-check --require-hashes --no-deps --target .venvs/axe -r requirements/axe.txt
	@touch $@

.venvs/docs/.done: requirements/docs.txt
	$(PYTHON) -m venv --clear .venvs/docs
	.venvs/docs/bin/pip -q install --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@

.venvs/collection/.done: requirements/collection.txt
	$(PYTHON) -m venv --clear .venvs/collection
	.venvs/collection/bin/pip -q install --disable-pip-version-check --require-hashes -r requirements/collection.txt
	@touch $@

# in a copy: ansible-lint leaves one of its own in the folder, which the next build would pack
collection: .venvs/collection/.done ## the collection for Ansible: linted (profile production), built into dist/
	rm -rf .venvs/collection/plays && cp -r playbooks .venvs/collection/plays
	cd .venvs/collection/plays/collections/ansible_collections/ipsecplan/mesh && \
	  PATH="$(CURDIR)/.venvs/collection/bin:$$PATH" && export PATH && \
	  ansible-galaxy collection build -f --output-path "$(CURDIR)/dist" && \
	  ANSIBLE_COLLECTIONS_PATH="$(CURDIR)/.venvs/collection/plays/collections" ansible-lint --profile production

site: .venvs/docs/.done ## the pages of docs/ as a site: dist/site/index.html; a warning is a failure
	.venvs/docs/bin/sphinx-build -q -n -W --keep-going -b html -d .venvs/docs/doctrees docs dist/site

# Two environments of their own: the tools, and nothing but what a user installs
SUPPLY := .venvs/supply/bin
.venvs/supply/.done: requirements/supply.txt
	$(PYTHON) -m venv --clear .venvs/supply
	$(SUPPLY)/pip -q install --disable-pip-version-check --require-hashes -r requirements/supply.txt
	@touch $@

.venvs/product/.done: requirements/main.txt .venvs/supply/.done
	$(PYTHON) -m venv --clear --without-pip .venvs/product
	$(SUPPLY)/pip -q --python .venvs/product/bin/python install --require-hashes -r requirements/main.txt
	@touch $@

sbom: .venvs/product/.done ## software bill of materials of what a user installs: dist/ipsecplan.cdx.json (CycloneDX)
	@mkdir -p dist
	$(SUPPLY)/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --spec-version 1.6 \
	  --output-reproducible --validate -o dist/ipsecplan.cdx.json .venvs/product/bin/python

advisories: .venvs/supply/.done ## ask the network for known faults of the locked versions; never part of a test
	$(SUPPLY)/pip-audit --require-hashes --disable-pip -r requirements/main.txt
	$(SUPPLY)/pip-audit --require-hashes --disable-pip -r requirements/build.txt

fuzz: $(VENV)/.dev ## damaged inputs for every reader, ten minutes; more: python -m tests.fuzz --minutes N --reader NAME
	$(BIN)/python -m tests.fuzz --minutes 10

.venvs/mutants/.made: requirements/mutants.txt requirements/dev.txt requirements/main.txt
	$(PYTHON) -m venv .venvs/mutants
	.venvs/mutants/bin/pip -q install --disable-pip-version-check --require-hashes \
	  -r requirements/main.txt -r requirements/dev.txt -r requirements/mutants.txt
	@touch $@

mutants: .venvs/mutants/.made ## hours: change the arithmetic in thousands of small ways; each has to make a test fail
	.venvs/mutants/bin/mutmut run
	.venvs/mutants/bin/mutmut results

graph: $(VENV)/.dev ## the import graph as numbers: rooms, arrows, upward imports, cycles
	$(BIN)/python -m tests.ci.graph

format: $(VENV)/.dev ## format and fix what can be fixed
	$(BIN)/ruff format -q .
	$(BIN)/ruff check -q --fix .

golden: $(VENV)/.dev ## rewrite expected outputs; then read the diff
	UPDATE_GOLDEN=1 $(PYTEST) -q -n 2 -m "not lab and not kernel" || true
	git diff --stat tests

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .venvs .began .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
