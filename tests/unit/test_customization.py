"""Requests of training jobs, and the gates between them."""

import copy
import dataclasses
import json

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator

from toolsmith.customization import Job, job_name, load_profile, prepare
from toolsmith.customization.gates import PairedTest, best_of, judge, regression
from toolsmith.customization.gates import load as load_gates
from toolsmith.customization.jobs import SPEC_TAG
from toolsmith.customization.statistics import bootstrap, paired
from toolsmith.errors import InvalidInput, RecipeInvalid

REWARD = "arn:aws:lambda:us-east-1:111122223333:function:toolsmith-SageMakerReward"
CHECKPOINT = "s3://customer-escrow-111122223333-smtj-abcdef/run-1-sft-1/step_100"


def job(stage: str, **changes) -> Job:
    facts = dict(
        run="run-0123456789ab", stage=stage, arm=stage if stage != "evaluate" else "base_tools", attempt=1,
        train_uri="s3://bucket/datasets/d/train.jsonl", output_uri="s3://bucket/runs/r/output",
        recipe_uri="s3://bucket/runs/r/recipe.yaml", role_arn="arn:aws:iam::111122223333:role/Training",
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


@pytest.mark.parametrize("stage", ["sft", "rft", "evaluate"])
def test_a_job_logs_to_the_mlflow_that_it_is_given_and_to_none_otherwise(stage):
    arn = "arn:aws:sagemaker:us-east-1:111122223333:mlflow-tracking-server/ours"
    profile = load_profile("nova-2-lite")
    plain = job(stage, checkpoint=CHECKPOINT if stage != "sft" else None)
    request = prepare(profile, dataclasses.replace(plain, mlflow_arn=arn)).request
    shape = botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateTrainingJob")
    assert not ParamValidator().validate(request, shape.input_shape).has_errors()
    config = request.pop("MlflowConfig")
    assert (config["MlflowResourceArn"], config["MlflowRunName"]) == (arn, request["TrainingJobName"])
    assert request == prepare(profile, plain).request


def test_the_reward_function_is_the_same_in_its_three_places():
    prepared = prepare(load_profile("nova-2-lite"), job("rft", checkpoint=CHECKPOINT))
    recipe = yaml.safe_load(prepared.recipe_yaml)
    endpoint = recipe["training_config"]["rollout"]["rewards"]["api_endpoint"]["lambda_arn"]
    sent = prepared.request["HyperParameters"]["reward_lambda_arn"]
    assert {recipe["run"]["reward_lambda_arn"], endpoint, sent} == {REWARD}


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


def test_job_names_differ_by_attempt_and_obey_the_service():
    assert job_name("run-a", "evaluate", "base_tools", 1) == "run-a-evaluate-base-tools-1"
    assert job_name("run-a", "sft", "sft", 1) != job_name("run-a", "sft", "sft", 2)
    with pytest.raises(InvalidInput, match="shorten"):
        job_name("r" * 60, "evaluate", "base_tools", 1)


def test_a_job_carries_the_digest_of_what_it_was_asked_to_do():
    """Row 20 of the fault list: a job of the same name is adopted only if it was made from the same facts."""
    profile, tagged = load_profile("nova-2-lite"), job("sft", tags={"toolsmith:run": "run-1"})
    first, again = prepare(profile, tagged), prepare(profile, tagged)
    tags = {tag["Key"]: tag["Value"] for tag in first.request["Tags"]}
    assert tags == {"toolsmith:run": "run-1", SPEC_TAG: again.digest}
    others = [job("sft", train_uri="s3://bucket/other.jsonl"), job("sft", kms_key="alias/x"), job("sft", attempt=2)]
    assert first.digest not in {prepare(profile, other).digest for other in others}


def test_a_region_without_images_is_named():
    with pytest.raises(InvalidInput, match="eu-north-1"):
        prepare(load_profile("nova-2-lite"), job("sft", region="eu-north-1"))


def test_reinforcement_without_a_reward_is_refused():
    with pytest.raises(RecipeInvalid, match="reward"):
        prepare(load_profile("nova-2-lite"), job("rft", reward_lambda_arn=None))


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
    passed = judge("sft", PairedTest("sft", "base"), {"sft": better, "base": base})
    failed = judge("rft", PairedTest("rft", "sft"), {"rft": mixed, "sft": better})
    assert passed.passed and not failed.passed
    assert "+10.0 points" in passed.reason
    assert best_of(passed, failed) == "sft"
    assert best_of(failed, None) is None


def test_a_gate_is_judged_by_its_margin_and_its_metric():
    better = [row | {"exact": 0.0} for row in rows({f"d{n}": [0.6, 0.7] for n in range(20)})]
    base = [row | {"exact": 0.0} for row in rows({f"d{n}": [0.5, 0.6] for n in range(20)})]
    measures = {"sft": better, "base": base}
    near, far = PairedTest("sft", "base", margin=0.09), PairedTest("sft", "base", margin=0.11)
    assert judge("sft", near, measures).passed and not judge("sft", far, measures).passed
    assert "is not shown to be better than base by more than 11.0 points" in judge("sft", far, measures).reason
    exact = judge("sft", PairedTest("sft", "base", "exact"), measures)
    assert not exact.passed and exact.difference.mean == 0.0 and "base in exact" in exact.reason


def test_the_recipe_says_what_its_gates_compare(tmp_path):
    assert {gate: (test.candidate, test.rival) for gate, test in load_gates().items()} == {
        "sft": ("sft", "base"), "rft": ("rft", "sft"),
    }  # fmt: skip
    file = tmp_path / "gates.json"
    stated = {"sft": {"rival": "base_tools", "metric": "exact", "margin": 0.02}}
    file.write_text(json.dumps(stated | {"rft": {"rival": "base", "metric": "score", "margin": 0}}))
    assert load_gates(file) == {"sft": PairedTest("sft", "base_tools", "exact", 0.02), "rft": PairedTest("rft", "base")}


GATE = {"rival": "base", "metric": "score", "margin": 0.0}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{\n,", "gates.json, line 2: not JSON"),
        ("[]", "exactly the gates sft, rft"),
        ({"sft": GATE}, "exactly the gates sft, rft"),
        ({"sft": GATE, "rft": GATE, "dpo": GATE}, "exactly the gates"),
        ({"sft": GATE, "rft": {"rival": "sft"}}, "gates.json, rft: wants .* exactly the keys margin, metric"),
        ({"sft": [GATE], "rft": GATE}, "gates.json, sft: wants an object"),
        ({"sft": GATE | {"rival": "rft"}, "rft": GATE}, "sft, rival: 'rft'; write base or base_tools"),
        ({"sft": GATE, "rft": GATE | {"rival": "more_sft"}}, "rft, rival: 'more_sft'; write sft or base"),
        ({"sft": GATE | {"metric": "talk_score"}, "rft": GATE}, "sft, metric: 'talk_score'; write score or exact"),
        ({"sft": GATE | {"margin": 2}, "rft": GATE}, "sft, margin: 2; write a fraction"),
        ({"sft": GATE | {"margin": -0.1}, "rft": GATE}, "sft, margin: -0.1"),
        ({"sft": GATE | {"margin": True}, "rft": GATE}, "sft, margin: True"),
    ],
)
def test_a_wrong_gate_names_the_key_and_the_remedy(tmp_path, content, says):
    file = tmp_path / "gates.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(RecipeInvalid, match=says):
        load_gates(file)


def test_a_general_benchmark_stops_a_run_only_when_the_loss_is_shown():
    before = {"accuracy": 0.80, "accuracy_stderr": 0.01}
    lost, unsure = {"accuracy": 0.70, "accuracy_stderr": 0.01}, {"accuracy": 0.77, "accuracy_stderr": 0.02}
    assert not regression(before, lost).passed
    assert regression(before, unsure).passed and regression(before, before).passed
    assert "lost: accuracy -10.0 points" in regression(before, lost).reason
    assert regression(before, lost, margin=0.2).passed
