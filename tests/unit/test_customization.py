"""Recipes, requests, outputs and gates of training jobs."""

import copy
import io
import json
import tarfile

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator

from toolsmith.customization import Job, classify_failure, job_name, lint, load_profile, prepare, read_output
from toolsmith.customization.gates import best_of, judge
from toolsmith.customization.outputs import check_finite, inference_text
from toolsmith.customization.statistics import bootstrap, paired
from toolsmith.errors import ArtefactMissing, InvalidInput, RecipeInvalid, TrainingDiverged

REWARD = "arn:aws:lambda:us-east-1:111122223333:function:toolsmith-SageMakerReward"
CHECKPOINT = "s3://customer-escrow-111122223333-smtj-abcdef/run-1-sft-1/step_100"


def job(stage: str, **changes) -> Job:
    facts = dict(
        run="run-0123456789ab", stage=stage, arm=stage if stage != "evaluate" else "base_tools", attempt=1,
        train_uri="s3://work/datasets/d/train.jsonl", output_uri="s3://work/runs/r/output",
        recipe_uri="s3://work/runs/r/recipe.yaml", role_arn="arn:aws:iam::111122223333:role/Training",
        region="us-east-1", reward_lambda_arn=REWARD, metrics_lambda_arn=REWARD.replace("Reward", "Metrics"), rows=700,
    )  # fmt: skip
    return Job(**{**facts, **changes})


@pytest.mark.parametrize("student", ["nova-2-lite", "local"])
@pytest.mark.parametrize("stage", ["sft", "more_sft", "rft", "evaluate"])
def test_every_request_is_one_the_service_model_accepts(student, stage):
    prepared = prepare(load_profile(student), job(stage, checkpoint=CHECKPOINT if stage != "sft" else None))
    shape = botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateTrainingJob")
    report = ParamValidator().validate(prepared.request, shape.input_shape)
    assert not report.has_errors(), report.generate_report()
    recipe = yaml.safe_load(prepared.recipe_yaml)
    assert recipe["run"]["replicas"] == prepared.request["ResourceConfig"]["InstanceCount"]
    assert "${" not in prepared.recipe_yaml


def test_the_reward_function_is_the_same_in_its_three_places():
    prepared = prepare(load_profile("nova-2-lite"), job("rft", checkpoint=CHECKPOINT))
    recipe = yaml.safe_load(prepared.recipe_yaml)
    endpoint = recipe["training_config"]["rollout"]["rewards"]["api_endpoint"]["lambda_arn"]
    assert {recipe["run"]["reward_lambda_arn"], endpoint, prepared.request["HyperParameters"]["reward_lambda_arn"]} == {REWARD}


@pytest.mark.parametrize(
    ("file", "stage", "checkpoint"),
    [
        ("v3_sft.json", "sft", None),
        ("v3_rft.json", "rft", "s3://customer-escrow-111122223333-smtj-abcdef/sft-job-123/"),
        ("v3_eval-byod.json", "evaluate", "s3://customer-escrow-111122223333-smtj-abcdef/sft-job-123/"),
    ],
)
def test_requests_equal_those_the_sdk_sends(shared, file, stage, checkpoint):
    captured = json.loads((shared / "contracts" / "captured" / file).read_text())
    channels = {channel["ChannelName"]: channel for channel in captured["InputDataConfig"]}
    uri = {name: channel["DataSource"]["S3DataSource"]["S3Uri"] for name, channel in channels.items()}
    hyperparameters = captured["HyperParameters"]
    ours = prepare(
        load_profile("nova-2-lite"),
        job(
            stage, checkpoint=checkpoint, train_uri=uri["train"], validation_uri=uri.get("validation"),
            recipe_uri=uri["recipe"], output_uri=captured["OutputDataConfig"]["S3OutputPath"],
            role_arn=captured["RoleArn"], reward_lambda_arn=hyperparameters.get("reward_lambda_arn", REWARD),
            metrics_lambda_arn=hyperparameters.get("eval_lambda_arn"),
            kms_key=captured["OutputDataConfig"].get("KmsKeyId"),
        ),
    ).request  # fmt: skip
    wanted, found = copy.deepcopy(captured), copy.deepcopy(ours)
    for request in (wanted, found):
        request.pop("TrainingJobName")  # named by ourselves
        request["ResourceConfig"].pop("InstanceCount")  # the recipe's own choice of replicas
        request["StoppingCondition"].pop("MaxRuntimeInSeconds")
        request["HyperParameters"].pop("val_check_interval", None)  # an override that the capture was asked to send
        request["InputDataConfig"].sort(key=lambda channel: channel["ChannelName"])
    assert found == wanted


BROKEN = {
    "run.name": (lambda r: r["run"].update(name="${oc.env:NAME}"), "run.name"),
    "save above max": (lambda r: r["training_config"]["trainer"].update(save_steps=99), "save_steps"),
    "greedy": (lambda r: r["training_config"]["rollout"]["generator"].update(top_k=1), "top_k"),
    "cold": (lambda r: r["training_config"]["rollout"]["generator"].update(temperature=0), "temperature"),
    "one rollout": (
        lambda r: r["training_config"]["rollout"]["advantage_strategy"].update(number_generation=1),
        "number_generation",
    ),
    "no room": (lambda r: r["training_config"]["rollout"]["generator"].update(max_new_tokens=8192), "max_new_tokens"),
    "alpha": (lambda r: r["training_config"]["trainer"]["peft"]["lora_tuning"].update(alpha=96), "alpha"),
    "replicas": (lambda r: r["run"].update(replicas=8), "run.replicas"),
    "other reward": (lambda r: r["run"].update(reward_lambda_arn=REWARD + "2"), "lambda_arn"),
    "nameless reward": (lambda r: _both(r, REWARD.replace("SageMaker", "")), "SageMaker"),
    "qualified reward": (lambda r: _both(r, REWARD + ":live"), "unqualified"),
    "few rows": (lambda r: r["training_config"].update(global_batch_size=1024), "global_batch_size"),
    "technique": (lambda r: r["run"].update(model_type="amazon.nova-pro-v1:0:300k"), "run.model_type"),
    "no steps": (lambda r: r["training_config"]["trainer"].update(max_steps=0), "max_steps"),
}


def _both(recipe: dict, arn: str) -> None:
    recipe["run"]["reward_lambda_arn"] = arn
    recipe["training_config"]["rollout"]["rewards"]["api_endpoint"]["lambda_arn"] = arn


@pytest.mark.parametrize("name", BROKEN)
def test_a_recipe_that_would_waste_money_is_refused_with_key_and_fix(name):
    recipe = yaml.safe_load(prepare(load_profile("nova-2-lite"), job("rft", checkpoint=CHECKPOINT)).recipe_yaml)
    assert lint(recipe, "rft", instance_count=2, rows=700) == []
    breaking, word = BROKEN[name]
    trainer = recipe["training_config"]["trainer"]
    trainer["save_steps"] = min(trainer["save_steps"], trainer["max_steps"])
    breaking(recipe)
    findings = lint(recipe, "rft", instance_count=2, rows=700)
    assert findings and all(finding.fix for finding in findings)
    assert any(word in str(finding) for finding in findings)


def test_job_names_differ_by_attempt_and_obey_the_service():
    assert job_name("run-a", "evaluate", "base_tools", 1) == "run-a-evaluate-base-tools-1"
    assert job_name("run-a", "sft", "sft", 1) != job_name("run-a", "sft", "sft", 2)
    with pytest.raises(InvalidInput, match="shorten"):
        job_name("r" * 60, "evaluate", "base_tools", 1)


def test_a_region_without_images_is_named():
    with pytest.raises(InvalidInput, match="eu-north-1"):
        prepare(load_profile("nova-2-lite"), job("sft", region="eu-north-1"))


def test_reinforcement_without_a_reward_is_refused():
    with pytest.raises(RecipeInvalid, match="reward"):
        prepare(load_profile("nova-2-lite"), job("rft", reward_lambda_arn=None))


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def test_manifest_and_every_numeric_column_are_read():
    csv = b"step_number,epoch_number,train_reward_mean,note\n1,0,0.25,x\n2,0,0.5,y\n"
    manifest = json.dumps({"checkpoint_s3_bucket": CHECKPOINT, "later": 1}).encode()
    found = read_output(archive({"manifest.json": manifest, "sub/step_wise_training_metrics.csv": csv}))
    assert found.checkpoint == CHECKPOINT
    assert found.metrics[1] == {"step_number": 2.0, "epoch_number": 0.0, "train_reward_mean": 0.5}


def test_answers_of_an_evaluation_are_read_from_their_list_form():
    line = json.dumps({"prompt": "q", "inference": "['{\"a\": 1}']", "gold": "g", "metadata": "id1"}).encode()
    found = read_output(archive({"run/eval_results/inference_output.jsonl": line + b"\n"}))
    assert inference_text(found.answers[0]["inference"]) == '{"a": 1}'
    assert inference_text("[1, 2]") == "[1, 2]"
    assert inference_text("['unclosed") == "['unclosed"


@pytest.mark.parametrize("data", [b"", b"no archive", archive({"readme.txt": b"x"}), archive({"manifest.json": b"{"})])
def test_a_job_that_left_nothing_usable_is_named(data):
    with pytest.raises(ArtefactMissing):
        read_output(data)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_loss_that_is_not_finite_stops_the_run(value):
    with pytest.raises(TrainingDiverged, match="step 2"):
        check_finite([{"step_number": 1.0, "training_loss": 1.0}, {"step_number": 2.0, "training_loss": float(value)}])


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("CapacityError: Unable to provision requested ML compute capacity.", "capacity"),
        ("The account-level service limit 'ml.p5.48xlarge for training job usage' is 0 Instances", "capacity"),
        ("AlgorithmError: loss is NaN at step 3", "diverged"),
        ("ClientError: Data is not in the right format", "validation"),
        ("Training job names must be unique within an AWS account and region", "exists"),
        ("AlgorithmError: exit code 1", "algorithm"),
        ("MaxRuntimeExceeded", "stopped"),
    ],
)
def test_failures_are_told_apart(reason, kind):
    assert classify_failure(reason) == kind


def rows(scores: dict[str, list[float]]) -> list[dict]:
    return [
        {"id": f"{document}-{n}", "document": document, "score": score}
        for document, values in scores.items()
        for n, score in enumerate(values)
    ]


def test_an_interval_holds_its_mean_and_widens_with_fewer_documents():
    many = bootstrap({f"d{n}": [n % 2] * 4 for n in range(40)})
    few = bootstrap({f"d{n}": [n % 2] * 4 for n in range(4)})
    assert many.low <= many.mean == 0.5 <= many.high
    assert few.high - few.low > many.high - many.low
    assert bootstrap({}).mean == 0.0


def test_differences_are_taken_per_question():
    one, other = rows({"a": [1.0, 0.5], "b": [0.7]}), rows({"b": [0.2], "a": [0.5, 0.0]})
    found = paired(one, other)
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_a_gate_wants_the_whole_interval_above_zero():
    better = rows({f"d{n}": [0.6, 0.7] for n in range(20)})
    base = rows({f"d{n}": [0.5, 0.6] for n in range(20)})
    mixed = rows({f"d{n}": [0.9, 0.1] if n % 2 else [0.1, 0.95] for n in range(20)})
    passed = judge("sft", "sft", "base", {"sft": better, "base": base})
    failed = judge("rft", "rft", "sft", {"rft": mixed, "sft": better})
    assert passed.passed and not failed.passed
    assert "+10.0 points" in passed.reason
    assert best_of(passed, failed) == "sft"
    assert best_of(failed, None) is None
