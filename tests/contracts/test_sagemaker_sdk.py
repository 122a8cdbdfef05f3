"""Our CreateTrainingJob requests beside those that the vendor's own SDKs send for the same recipe.

The SDKs pin other versions than this project does, so each has an environment of its own at the repository's root:

    python3.11 -m venv .venv-oracle  && .venv-oracle/bin/pip install sagemaker==2.257.7
    python3.11 -m venv .venv-oracle3 && .venv-oracle3/bin/pip install sagemaker==3.27.0

They run offline. Where one is absent its tests skip.
"""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from toolsmith.customization import Job, load_profile, prepare

ROOT = Path(__file__).resolve().parents[2]
ORACLES = {"second": (".venv-oracle", "2.257.7"), "third": (".venv-oracle3", "3.27.0")}
REWARD = "arn:aws:lambda:us-east-1:111122223333:function:toolsmith-SageMakerReward"
CHECKPOINT = "s3://customer-escrow-111122223333-smtj-abcdef/sft-1/step_100"
CASES = [
    ("nova-2-lite", "sft", None),
    ("nova-2-lite", "sft_full", None),
    ("nova-2-lite", "rft", CHECKPOINT),
    ("nova-2-lite", "evaluate", CHECKPOINT),
    ("nova-2-lite", "rft_eval", None),
    ("nova-2-lite", "benchmark", CHECKPOINT),
    ("nova-1", "sft", None),
    ("nova-1", "dpo", CHECKPOINT),
]


def ours(case):
    student, stage, checkpoint = case
    job = Job(
        run="run-1", stage=stage, arm=stage, attempt=1, checkpoint=checkpoint, region="us-east-1",
        train_uri="s3://bucket/data/train.jsonl", validation_uri="s3://bucket/data/validation.jsonl",
        output_uri="s3://bucket/out", recipe_uri="s3://bucket/recipes/recipe.yaml",
        role_arn="arn:aws:iam::111122223333:role/Training", reward_lambda_arn=REWARD,
        metrics_lambda_arn=REWARD.replace("Reward", "Metrics"),
    )  # fmt: skip
    return prepare(load_profile(student), job)


def asked(prepared) -> dict:
    """What a person would give the SDK for the same job."""
    request = prepared.request
    sources = {c["ChannelName"]: c["DataSource"]["S3DataSource"] for c in request["InputDataConfig"]}
    return {
        "recipe": prepared.recipe_yaml,
        "image": request["AlgorithmSpecification"]["TrainingImage"],
        "role": request["RoleArn"],
        "output": request["OutputDataConfig"]["S3OutputPath"],
        "instance_type": request["ResourceConfig"]["InstanceType"],
        "instance_count": request["ResourceConfig"]["InstanceCount"],
        "seconds": request["StoppingCondition"]["MaxRuntimeInSeconds"],
        "region": "us-east-1",
        "name": request["TrainingJobName"],
        "channels": {
            name: {"uri": source["S3Uri"], "type": source["S3DataType"]}
            for name, source in sources.items()
            if name != "recipe"
        },
    }


@pytest.fixture(scope="module", params=ORACLES)
def sent(request):
    """What one SDK sends, case by case: {case: {"request", "recipe"}}."""
    folder, version = ORACLES[request.param]
    python = ROOT / folder / "bin" / "python"
    found = subprocess.run([python, "-c", "import sagemaker"], capture_output=True) if python.is_file() else None
    if found is None or found.returncode:
        how = f"python3.11 -m venv {folder} && {folder}/bin/pip install sagemaker=={version}"
        pytest.skip(f"no sagemaker {version} to compare with; make it by: {how}")
    lines = "".join(json.dumps(asked(ours(case))) + "\n" for case in CASES)
    script = Path(__file__).with_name("sdk_offline.py")
    run = subprocess.run([python, script], input=lines, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr[-3000:]
    answers = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('{"sdk"')]
    assert len(answers) == len(CASES)
    assert {answer["sdk"] for answer in answers} == {version}
    return dict(zip(CASES, answers, strict=True))


def without_documented_differences(request: dict) -> dict:
    """Names and places that each side chooses for itself; what only the second SDK adds; what the third one spells out
    although it is the service's default."""
    kept = json.loads(json.dumps(request))
    kept.pop("TrainingJobName")
    kept.pop("ProfilerConfig", None)
    kept.pop("RemoteDebugConfig", None)
    kept["HyperParameters"].pop("model_type", None)
    kept["HyperParameters"].pop("sagemaker_recipe_local_path")
    assert kept["OutputDataConfig"].pop("CompressionType", "GZIP") == "GZIP"
    assert (
        kept["TensorBoardOutputConfig"].pop("LocalPath", "/opt/ml/output/tensorboard") == "/opt/ml/output/tensorboard"
    )
    for place in ("OutputDataConfig", "TensorBoardOutputConfig"):
        kept[place]["S3OutputPath"] = kept[place]["S3OutputPath"].rstrip("/")
    recipe = next(channel for channel in kept["InputDataConfig"] if channel["ChannelName"] == "recipe")
    recipe["DataSource"]["S3DataSource"].pop("S3Uri")
    kept["InputDataConfig"].sort(key=lambda channel: channel["ChannelName"])
    return kept


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_the_sdk_sends_the_same_request_and_recipe(sent, case):
    prepared = ours(case)
    assert without_documented_differences(sent[case]["request"]) == without_documented_differences(prepared.request)
    assert yaml.safe_load(sent[case]["recipe"]) == yaml.safe_load(prepared.recipe_yaml)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_the_recipe_lies_where_its_hyperparameter_says(sent, case):
    """The one field that differs in form: directory or object, but the file name is the one in the channel."""
    for request in (sent[case]["request"], ours(case).request):
        path = request["HyperParameters"]["sagemaker_recipe_local_path"]
        channel = next(c for c in request["InputDataConfig"] if c["ChannelName"] == "recipe")
        uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
        name = path.removeprefix("/opt/ml/input/data/recipe/")
        assert "/" not in name and name.endswith(".yaml")
        assert uri.endswith((f"/{name}", f"_{name.removesuffix('.yaml')}"))
