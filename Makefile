# make setup   everything this project needs, into .venv, .venv-sam and .runtime
# make demo    drop the sample documents into a local cloud and follow them until a model is registered
# make test    the tests
# make lint    style and template checks
# make lock    the hashes of every package, after a change under requirements/
# make audit   known advisories of the locked packages, where an advisory service can be reached
# make licences      docs/licences.md
# make performance   docs/performance.md, from benchmarks/results
# make destroy STACK=NAME   delete a stack on AWS, after saying what stays and what it costs
# make clean   remove what the commands above made; `make clean-demo` only forgets the demo's cloud

PYTHON ?= python3.11
VENV := .venv
STAMP := $(VENV)/.installed
SAM_STAMP := .venv-sam/.installed
RUNTIME_STAMP := .runtime/.installed
SUPPLY_STAMP := .venv-supply/.installed
LOCK = .venv-supply/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock"
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export SAM_CLI_TELEMETRY = 0

.PHONY: setup demo test lint lock audit licences performance destroy clean clean-demo

setup: $(STAMP) $(SAM_STAMP) $(RUNTIME_STAMP)

# Everything is locked with hashes and complete, so nothing asks for a torch of its own. torch itself comes last and
# exact but without a hash: its CPU build has another one wherever it is found.
$(STAMP): pyproject.toml requirements/torch.txt requirements/laptop.lock
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --require-hashes --no-deps -r requirements/laptop.lock
	$(VENV)/bin/pip install --quiet -r requirements/torch.txt
	$(VENV)/bin/pip install --quiet --no-deps --editable .
	touch $@

# the SAM CLI pins other versions of boto3 than the local cloud does
$(SAM_STAMP): requirements/sam.lock
	$(PYTHON) -m venv .venv-sam
	.venv-sam/bin/pip install --quiet --require-hashes --no-deps -r requirements/sam.lock
	touch $@

# what the managed Lambda runtime holds, and nothing more
$(RUNTIME_STAMP): requirements/runtime.lock
	$(PYTHON) -m venv .runtime
	.runtime/bin/pip install --quiet --require-hashes --no-deps -r requirements/runtime.lock
	touch $@

$(SUPPLY_STAMP): requirements/supply.lock
	$(PYTHON) -m venv .venv-supply
	.venv-supply/bin/pip install --quiet --require-hashes --no-deps -r requirements/supply.lock
	touch $@

# versions that a lock holds already stay; to take newer ones, remove the lock or change what asks for them
lock: $(SUPPLY_STAMP)
	$(LOCK) requirements/laptop.txt requirements/layer.txt requirements/torch-needs.in \
		--override requirements/without-torch.in --no-emit-package torch --no-emit-package setuptools \
		-o requirements/laptop.lock
	$(LOCK) requirements/sam.txt -o requirements/sam.lock
	$(LOCK) requirements/runtime.txt -o requirements/runtime.lock
	$(LOCK) requirements/supply.txt -o requirements/supply.lock
	$(LOCK) requirements/layer.txt --no-deps -o layers/toolsmith/requirements.txt

audit: $(SUPPLY_STAMP)
	$(PYTHON) requirements/audit.py .venv-supply/bin/pip-audit

performance: setup
	$(VENV)/bin/python benchmarks/performance.py

licences: setup $(SUPPLY_STAMP)
	$(VENV)/bin/python requirements/licences.py $(VENV) .venv-sam .runtime .venv-supply

demo: setup
	$(VENV)/bin/toolsmith demo --out build/demo

test: setup
	$(VENV)/bin/python -m pytest

lint: setup
	$(VENV)/bin/ruff check .
	AWS_DEFAULT_REGION=us-east-1 .venv-sam/bin/sam validate --lint
	.venv-sam/bin/cfn-lint -r us-east-1 -t events/*.template.yaml

destroy: setup
	$(VENV)/bin/toolsmith destroy $(if $(STACK),--stack $(STACK))

clean-demo:
	rm -rf .toolsmith build/demo

clean: clean-demo
	rm -rf $(VENV) .venv-sam .venv-supply .runtime build
