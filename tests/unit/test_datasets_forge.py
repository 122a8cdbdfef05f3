"""The platform's own validators read every exported row: amzn-nova-forge, run in an environment of its own.

The package wants Python 3.12 or newer and pulls the SageMaker SDK, so it is no dependency of ours. To run this test:
    python3.12 -m venv forge && forge/bin/pip install --no-deps amzn-nova-forge==1.4.10
    forge/bin/pip install pydantic filetype boto3
    FORGE_PYTHON=forge/bin/python pytest tests/unit/test_datasets_forge.py
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.test_datasets import SMALL, corpus, resolves
from toolsmith.datasets import DatasetConfig, assemble
from toolsmith.datasets.export import STYLES

# Only the validators are imported: the package's own __init__ files import the whole SDK.
VALIDATE = """
import importlib.machinery, importlib.util, json, os, sys, types
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
root = os.path.dirname(importlib.util.find_spec("amzn_nova_forge").origin)
for name in ("", ".core", ".dataset", ".dataset.configs", ".dataset.dataset_validator", ".util", ".validation"):
    module = types.ModuleType("amzn_nova_forge" + name)
    module.__path__ = [root + name.replace(".", "/")]
    sys.modules[module.__name__] = module
from amzn_nova_forge.core.enums import EvaluationTask, Model
from amzn_nova_forge.dataset.dataset_validator.eval_dataset_validator import EvalDatasetValidator
from amzn_nova_forge.dataset.dataset_validator.rft_dataset_validator import RFTDatasetValidator
from amzn_nova_forge.dataset.dataset_validator.sft_dataset_validator import SFTDatasetValidator
model = Model.NOVA_LITE_2
validators = {
    "sft": SFTDatasetValidator,
    "rft": lambda: RFTDatasetValidator(model),
    "eval": lambda: EvalDatasetValidator(EvaluationTask.GEN_QA),
}
for kind, path in zip(sys.argv[1::2], sys.argv[2::2]):
    with open(path, encoding="utf-8") as rows:
        validators[kind]().validate((json.loads(row) for row in rows), model)
"""


@pytest.fixture(scope="module")
def forge() -> str:
    python = os.environ.get("FORGE_PYTHON")
    if not python:
        pytest.skip("FORGE_PYTHON names no interpreter that has amzn-nova-forge")
    return python


def run(forge: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([forge, "-c", VALIDATE, *arguments], capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("style", STYLES)
def test_every_exported_row_is_accepted(forge, style, tmp_path: Path):
    dataset = assemble(corpus(), resolves, DatasetConfig(style=style, least=SMALL.least))
    kinds = {
        "sft/train.jsonl": "sft",
        "sft/validation.jsonl": "sft",
        "rft/train.jsonl": "rft",
        "eval/gen_qa.jsonl": "eval",
        "eval_tools/gen_qa.jsonl": "eval",
    }
    arguments = []
    for name, kind in kinds.items():
        file = tmp_path / name.replace("/", "_")
        file.write_bytes(dataset.files[name])
        arguments += [kind, str(file)]
    done = run(forge, *arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("Validation succeeded") == len(kinds)


def test_the_validators_do_refuse_a_broken_row(forge, tmp_path: Path):
    file = tmp_path / "broken.jsonl"
    file.write_text('{"schemaVersion":"1","messages":[]}\n')
    assert run(forge, "sft", str(file)).returncode != 0
