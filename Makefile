# up      everything this machine needs to run VMs, and the console on two of them (HEADLESS=1: no console)
# down    stops what up started; '.venv/bin/hyperctl down --purge' removes it
# test    all set-up and every test            check    format, lint, types, fences, fast tests
# bench   the figures the product promises
# soak    KILLS=100 kills of the controller in life and in each operation, and of the API, OUTAGE=120 s without the API;
#         ROUNDS=n tests with guests as well
# lock    requirements/ from pyproject.toml    generate the CRDs from the models
.POSIX:
.PHONY: up down test check bench soak lock generate app dev

PY = .venv/bin/python
ARGS =
ROUNDS = 0
KILLS = 100
OUTAGE = 120

up: app
	.venv/bin/hyperctl up $(ARGS)

down:
	@if [ -x .venv/bin/hyperctl ]; then .venv/bin/hyperctl down $(ARGS); else echo "nothing was ever started here"; fi

test: dev
	$(PY) -m tests.controlplane.build
	$(PY) -m tests.goclient.build
	$(PY) -m tests.s3.build
	$(PY) -m hyperctl.guest
	$(PY) -m tests.debian.build
	$(PY) -m tests $(ARGS)

check: dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PY) -m scripts.generate --check
	$(PY) -m pytest -q -m "not kube and not s3 and not libvirt and not e2e" $(ARGS)

bench: dev
	$(PY) -m hyperctl.guest
	scripts/private-network.sh $(PY) -m benchmarks $(ARGS)

soak: dev
	$(PY) -m tests.controlplane.build
	$(PY) -m tests.s3.build
	$(PY) -m hyperctl.guest
	scripts/private-network.sh nice -n 5 $(PY) -m tests.campaign --kills $(KILLS) --outage $(OUTAGE) \
	    --command "make soak KILLS=$(KILLS) OUTAGE=$(OUTAGE)" $(ARGS)
	scripts/private-network.sh nice -n 5 $(PY) -m tests.campaign --operations all --kills $(KILLS) \
	    --command "make soak KILLS=$(KILLS)" $(ARGS)
	HYPERSDK_STEPS=10000 HYPERSDK_KILLS=$(KILLS) scripts/private-network.sh $(PY) -m pytest -q -x \
	    tests/api/test_differences.py tests/api/test_durability.py
	$(PY) -m tests.debian.build
	HYPERSDK_CLONES=all scripts/private-network.sh $(PY) -m pytest -q -x tests/libvirt/test_cloud_init.py
	for round in $$(seq $(ROUNDS)); do \
	    scripts/private-network.sh $(PY) -m pytest -q -x -m "libvirt or e2e" || exit; \
	done

lock:
	scripts/lock.sh

generate: app
	$(PY) -m scripts.generate

app:
	@scripts/bootstrap.sh app

dev:
	@scripts/bootstrap.sh dev
