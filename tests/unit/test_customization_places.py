"""The same stage elsewhere: serverless, Bedrock's own customization, HyperPod; and the command that prints them."""

import argparse
import json
import re
import shlex
from dataclasses import replace

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator

from local.cli import request as command
from local.cli.failures import Misused
from local.states import resources
from toolsmith.customization import bedrock_native, hyperpod, load_profile, mixing, serverless
from toolsmith.customization.jobs import load_recipe, render
from toolsmith.errors import InvalidInput, RecipeInvalid
from toolsmith.pipeline import places
from toolsmith.pipeline.places import TrainingPlace

from .test_customization_lint import CHECKPOINT, METRICS, REWARD, job

GROUP = "arn:aws:sagemaker:us-east-1:111122223333:model-package-group/tools"
EVALUATOR = "arn:aws:sagemaker:us-east-1:111122223333:hub-content/tools/JsonDoc/reward/1.0.0"
PLACE = serverless.ServerlessPlace(GROUP, EVALUATOR)


def patterns(shape, value, where=""):
    """What botocore does not judge: patterns and enumerations."""
    if shape.type_name == "structure":
        for name, inner in value.items():
            yield from patterns(shape.members[name], inner, f"{where}.{name}")
    elif shape.type_name == "list":
        for inner in value:
            yield from patterns(shape.member, inner, where)
    elif shape.type_name == "map":
        for inner in value.values():
            yield from patterns(shape.value, inner, where)
    elif isinstance(value, str):
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            yield f"{where}: {value!r} does not match {pattern}"
        if shape.metadata.get("enum") and value not in shape.metadata["enum"]:
            yield f"{where}: {value!r} is none of {shape.metadata['enum']}"


def accepted(service: str, operation: str, request: dict) -> None:
    shape = botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    assert list(patterns(shape, request)) == []


@pytest.mark.parametrize(
    ("student", "stage"),
    [("nova-2-lite", stage) for stage in ("sft", "rft", "evaluate", "rft_eval", "benchmark")]
    + [("nova-1", "sft"), ("nova-1", "dpo")],
)
def test_serverless_requests_are_ones_the_service_model_accepts(student, stage):
    request = serverless.prepare(load_profile(student), job(stage), PLACE)
    accepted("sagemaker", "CreateTrainingJob", request)
    assert not {"AlgorithmSpecification", "ResourceConfig"} & set(request)
    assert ("InputDataConfig" in request) == (stage != "benchmark")
    assert all(isinstance(value, str) for value in request["HyperParameters"].values())


def test_serverless_hyperparameters_carry_the_recipe_under_the_services_names():
    profile = load_profile("nova-2-lite")
    sft = serverless.prepare(profile, job("sft"), PLACE)
    recipe = render(profile, job("sft"))["training_config"]
    assert sft["HyperParameters"]["max_context_length"] == str(recipe["max_length"])
    assert float(sft["HyperParameters"]["learning_rate"]) == recipe["optim_config"]["lr"]
    assert sft["HyperParameters"]["lora_alpha"] == str(recipe["peft"]["lora_tuning"]["alpha"])
    rft = serverless.prepare(profile, job("rft"), PLACE)
    assert "max_context_length" not in rft["HyperParameters"] and "max_length" in rft["HyperParameters"]
    assert rft["ServerlessJobConfig"]["EvaluatorArn"] == EVALUATOR
    scored = serverless.prepare(profile, job("evaluate"), PLACE)
    assert scored["HyperParameters"]["lambda_arn"] == METRICS
    dpo = serverless.prepare(load_profile("nova-1"), job("dpo"), PLACE)["HyperParameters"]
    assert float(dpo["adam_beta"]) == 0.1 and dpo["name"].startswith("run-1")


def test_serverless_data_mixing_is_for_subscribers():
    profile = load_profile("nova-2-lite")
    recipe = mixing.mixed(render(profile, job("sft")), 70, {"code": 60, "agents": 40})
    with pytest.raises(RecipeInvalid, match="Nova Forge"):
        serverless.prepare(profile, job("sft"), PLACE, recipe)
    sent = serverless.prepare(profile, job("sft", forge=True), PLACE, recipe)["HyperParameters"]
    assert float(sent["customer_data_percent"]) == 70
    assert {name for name in sent if name.startswith("nova_")} == {"nova_code_percent", "nova_agents_percent"}


@pytest.mark.parametrize(
    ("stage", "changes", "place", "word"),
    [
        ("sft_full", {}, PLACE, "adapters only"),
        ("rft", {}, serverless.ServerlessPlace(GROUP), "JsonDoc"),
        ("rft", {"checkpoint": CHECKPOINT}, PLACE, "source_package"),
        ("sft", {"region": "eu-north-1"}, PLACE, "eu-west-1"),
    ],
)
def test_what_serverless_customization_does_not_take_is_refused(stage, changes, place, word):
    with pytest.raises(RecipeInvalid, match=word):
        serverless.prepare(load_profile("nova-2-lite"), job(stage, **changes), place)


@pytest.mark.parametrize("stage", ["sft", "rft"])
def test_bedrock_requests_are_ones_the_service_model_accepts(stage):
    request = bedrock_native.prepare(load_profile("nova-2-lite"), job(stage, tags={"run": "1"}))
    accepted("bedrock", "CreateModelCustomizationJob", request)
    if stage == "rft":
        rft = request["customizationConfig"]["rftConfig"]
        assert rft["graderConfig"]["lambdaGrader"]["lambdaArn"] == REWARD
        generator = render(load_profile("nova-2-lite"), job("rft"))["training_config"]["rollout"]
        assert rft["hyperParameters"]["trainingSamplePerPrompt"] == generator["advantage_strategy"]["number_generation"]


@pytest.mark.parametrize(
    ("stage", "changes", "native", "word"),
    [
        ("rft", {"rows": 60}, {}, "100"),
        ("rft", {"region": "us-west-2"}, {}, "us-east-1"),
        ("rft", {}, {"epochs": 99}, "epochCount"),
        ("rft", {}, {"reasoning_effort": "extreme"}, "reasoningEffort"),
        ("rft", {"reward_lambda_arn": None}, {}, "reward_lambda_arn"),
        ("sft_full", {}, {}, "sft or rft"),
    ],
)
def test_what_bedrock_would_refuse_is_refused_first(stage, changes, native, word):
    with pytest.raises(RecipeInvalid, match=word):
        bedrock_native.prepare(load_profile("nova-2-lite"), job(stage, **changes), bedrock_native.Native(**native))


@pytest.mark.parametrize(
    ("student", "stage"),
    [("nova-2-lite", "sft"), ("nova-2-lite", "rft"), ("nova-2-lite", "evaluate"), ("nova-1", "ppo")],
)
def test_hyperpod_recipes_name_their_data_and_the_command_their_image(student, stage):
    launch = hyperpod.prepare(load_profile(student), job(stage), "cluster-1")
    recipe = yaml.safe_load(launch.recipe_yaml)
    assert recipe["run"]["data_s3_path"] == "s3://bucket/train.jsonl"
    assert recipe["run"]["output_s3_path"] == "s3://bucket/out"
    connect, start = map(shlex.split, launch.commands)
    assert connect[:2] == ["hyperpod", "connect-cluster"]
    override = json.loads(start[start.index("--override-parameters") + 1])
    assert (
        override["container"].startswith("708977205387.dkr.ecr.us-east-1.amazonaws.com/")
        and "HP" in override["container"]
    )
    assert launch.recipe_path.endswith(start[start.index("--recipe") + 1] + ".yaml")
    assert start[1] == "start-job" and "${" not in launch.recipe_yaml


def test_a_stage_without_a_hyperpod_image_is_named():
    with pytest.raises(InvalidInput, match="judge"):
        hyperpod.prepare(load_profile("nova-2-lite"), job("judge"), "cluster-1")
    with pytest.raises(RecipeInvalid, match="one platform"):
        hyperpod.prepare(load_profile("nova-2-lite"), job("rft", checkpoint=CHECKPOINT), "cluster-1")


def printed(capsys, *words: str) -> str:
    parser = argparse.ArgumentParser()
    command.options(parser)
    given = ("--data", "s3://bucket/datasets/d", "--output", "s3://bucket/out")
    assert command.run(parser.parse_args([*words, *given])) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("stage", sorted(set(command.STAGES) - {"dpo", "dpo_full", "ppo"}))
def test_every_stage_can_be_printed(capsys, stage):
    accepted("sagemaker", "CreateTrainingJob", json.loads(printed(capsys, stage)))


@pytest.mark.parametrize("stage", ["sft", "sft_full", "dpo", "dpo_full", "eval"])
def test_every_stage_of_the_first_generation_can_be_printed(capsys, stage):
    accepted("sagemaker", "CreateTrainingJob", json.loads(printed(capsys, stage, "--student", "nova-1")))


def test_every_place_can_be_printed(capsys):
    found = json.loads(printed(capsys, "rft", "--on", "serverless", "--evaluator", EVALUATOR))
    accepted("sagemaker", "CreateTrainingJob", found)
    accepted("bedrock", "CreateModelCustomizationJob", json.loads(printed(capsys, "rft", "--on", "bedrock")))
    assert "hyperpod start-job" in printed(capsys, "rft", "--on", "hyperpod")
    assert yaml.safe_load(printed(capsys, "ppo", "--student", "nova-1", "--on", "hyperpod", "--recipe"))["ppo_critic"]


def test_nova_forge_is_asked_for_by_options(capsys):
    recipe = yaml.safe_load(
        printed(capsys, "sft", "--mix", "50", "--from-checkpoint", "pretraining-text-CE", "--recipe")
    )
    assert recipe["data_mixing"]["sources"]["customer_data"]["percent"] == 50
    assert recipe["run"]["model_name_or_path"].endswith("pretraining-text-CE")
    with pytest.raises(Misused, match="no recipe"):
        printed(capsys, "rft", "--on", "bedrock", "--mix", "50")


# -- as jobs of a run ----------------------------------------------------------------------------------------------
STACK = TrainingPlace(
    role_arn="arn:aws:iam::111122223333:role/train", region="us-east-1", reward_lambda_arn=REWARD,
    metrics_lambda_arn=METRICS, kms_key=None, model_package_group=GROUP, evaluator_arn=EVALUATOR,
    customization_role_arn="arn:aws:iam::111122223333:role/customize",
)  # fmt: skip
PACKAGE = "arn:aws:sagemaker:us-east-1:111122223333:model-package/tools/1"
MODEL = "arn:aws:bedrock:us-east-1:111122223333:custom-model/amazon.nova-2-lite-v1:0:256k/abcdefghijkl"


@pytest.mark.parametrize("student", ["nova-2-lite", "local"])
def test_a_serverless_job_starts_from_the_package_that_the_one_before_made(student):
    place = replace(STACK, on=places.SERVERLESS)
    made = places.prepare(load_profile(student), job("rft", checkpoint=PACKAGE), place)
    accepted("sagemaker", "CreateTrainingJob", made.request)
    assert made.service == "training" and made.name == made.request["TrainingJobName"]
    assert made.request["ModelPackageConfig"] == {"ModelPackageGroupArn": GROUP, "SourceModelPackageArn": PACKAGE}
    first = places.prepare(load_profile(student), job("sft"), place).request
    assert "EvaluatorArn" not in first["ServerlessJobConfig"]
    assert "SourceModelPackageArn" not in first["ModelPackageConfig"]


@pytest.mark.parametrize("student", ["nova-2-lite", "local"])
def test_a_job_of_bedrock_starts_from_the_model_that_the_one_before_made(student):
    profile = load_profile(student)
    made = places.prepare(profile, job("rft", checkpoint=MODEL, rows=256), replace(STACK, on=places.BEDROCK))
    assert made.service == "customization" and made.name == made.request["JobName"]
    operation = resources.operation("bedrock", "createModelCustomizationJob")
    request = resources.to_request(made.request, operation.input_shape)
    accepted("bedrock", "CreateModelCustomizationJob", request)
    assert request["baseModelIdentifier"] == MODEL and request["roleArn"] == STACK.customization_role_arn
    assert request["outputDataConfig"]["s3Uri"].endswith("/" + made.name)
    tuned = places.prepare(profile, job("sft", rows=300), replace(STACK, on=places.BEDROCK)).request
    assert tuned["CustomizationType"] == "FINE_TUNING" and set(tuned["HyperParameters"]) >= {"epochCount"}


def test_an_evaluation_by_bedrock_is_a_set_of_questions_for_the_model():
    place = replace(STACK, on=places.BEDROCK)
    base = places.prepare(load_profile("nova-2-lite"), job("evaluate"), place)
    assert base.service == "questions" and base.request["Model"] == "us.amazon.nova-2-lite-v1:0"
    assert base.request["IsCustom"] is False
    tuned = places.prepare(load_profile("nova-2-lite"), job("evaluate", checkpoint=MODEL), place).request
    assert (tuned["Model"], tuned["IsCustom"], tuned["Questions"]) == (MODEL, True, job("evaluate").train_uri)


def test_epochs_come_nearest_to_the_steps_of_the_recipe_within_what_bedrock_takes():
    nova, local = load_profile("nova-2-lite"), load_profile("local")
    training = load_recipe(local, "sft")["training_config"]
    seen = training["max_steps"] * training["global_batch_size"]
    assert [bedrock_native.epochs(local, "sft", rows) for rows in (seen // 4, seen, 3 * seen)] == [4, 1, 1]
    assert bedrock_native.epochs(local, "rft", 10_000) == 1
    assert bedrock_native.epochs(nova, "sft", 200) <= 5
    assert bedrock_native.epochs(nova, "sft", None) == bedrock_native.Native().epochs
