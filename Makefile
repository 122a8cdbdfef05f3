# make setup   everything this project needs, into .venv, .venv-sam and .runtime
# make demo    drop the sample documents into a local cloud and follow them until a model is registered
# make test    the tests
# make lint    style and template checks
# make destroy STACK=NAME   delete a stack on AWS, after saying what stays and what it costs
# make clean   remove what the commands above made; `make clean-demo` only forgets the demo's cloud

PYTHON ?= python3.11
VENV := .venv
STAMP := $(VENV)/.installed
SAM_STAMP := .venv-sam/.installed
RUNTIME_STAMP := .runtime/.installed
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export SAM_CLI_TELEMETRY = 0

.PHONY: setup demo test lint destroy clean clean-demo

setup: $(STAMP) $(SAM_STAMP) $(RUNTIME_STAMP)

# torch first and by itself: with a CPU build installed, nothing asks for another one
$(STAMP): pyproject.toml requirements/torch.txt requirements/laptop.txt layers/toolsmith/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet -r requirements/torch.txt
	$(VENV)/bin/pip install --quiet -r requirements/laptop.txt -r layers/toolsmith/requirements.txt
	$(VENV)/bin/pip install --quiet --no-deps --editable .
	touch $@

# the SAM CLI pins other versions of boto3 than the local cloud does
$(SAM_STAMP): requirements/sam.txt
	$(PYTHON) -m venv .venv-sam
	.venv-sam/bin/pip install --quiet -r requirements/sam.txt
	touch $@

# what the managed Lambda runtime holds, and nothing more
$(RUNTIME_STAMP): requirements/runtime.txt
	$(PYTHON) -m venv .runtime
	.runtime/bin/pip install --quiet -r requirements/runtime.txt
	touch $@

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
	rm -rf $(VENV) .venv-sam .runtime build
