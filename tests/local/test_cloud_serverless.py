"""Serverless customization: what CreateTrainingJob takes with a ServerlessJobConfig, refuses, and leaves behind."""

import json

import pytest
import yaml
from botocore.exceptions import ClientError

from local.cli.evaluator import LOCAL_ARN, register
from local.cli.stack import placed
from local.cloud import Cloud
from local.cloud.serverless import MODEL, default_recipe, override
from tests.local.cloud_harness import client, make_cloud, make_role
from tests.local.test_cloud_bedrock import active
from tests.local.test_cloud_sagemaker import TRAIN, ended, log_of
from toolsmith.customization.serverless import evaluator_document, hyperparameters

BASE = f"arn:aws:sagemaker:us-east-1:aws:hub-content/SageMakerPublicHub/Model/{MODEL}"
REWARD = "arn:aws:lambda:us-east-1:123456789012:function:SageMaker-reward"
PACKAGES = "arn:aws:sagemaker:us-east-1:123456789012:model-package/models/*"
OUTPUT = (("s3:GetObject", "arn:aws:s3:::jobs/data/*"), ("s3:ListBucket", "arn:aws:s3:::jobs"),
          ("s3:PutObject", "arn:aws:s3:::jobs/out/*"), ("logs:*", "*"))  # fmt: skip


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Cloud:
    with make_cloud(tmp_path_factory.mktemp("cloud")) as made:
        s3 = client(made, "s3")
        s3.create_bucket(Bucket="jobs")
        s3.put_object(Bucket="jobs", Key="data/train.jsonl", Body=TRAIN)
        yield made


@pytest.fixture(scope="module")
def role(cloud) -> str:
    return make_role(cloud, "trainer", "sagemaker.amazonaws.com", *OUTPUT, ("sagemaker:AccessModelPackage", PACKAGES))


@pytest.fixture(scope="module")
def group(cloud) -> str:
    return client(cloud, "sagemaker").create_model_package_group(ModelPackageGroupName="models")["ModelPackageGroupArn"]


@pytest.fixture(scope="module")
def evaluator(cloud) -> str:
    sagemaker = client(cloud, "sagemaker")
    sagemaker.create_hub(HubName="tools", HubDescription="rewards")
    return sagemaker.import_hub_content(
        HubName="tools", HubContentName="reward", HubContentType="JsonDoc", DocumentSchemaVersion="2.0.0",
        HubContentDocument=evaluator_document(REWARD),
    )["HubContentArn"]  # fmt: skip


def request(role: str, group: str, name: str, config: dict | None = None, source: str | None = None, **given) -> dict:
    kind = {"JobType": "FineTuning", "CustomizationTechnique": "SFT", "Peft": "LORA"}
    place = {"S3DataType": "S3Prefix", "S3Uri": "s3://jobs/data/train.jsonl"}
    return {
        "TrainingJobName": name,
        "RoleArn": role,
        "ServerlessJobConfig": {"BaseModelArn": BASE, "AcceptEula": True, **(config or kind)},
        "ModelPackageConfig": {"ModelPackageGroupArn": group, **({"SourceModelPackageArn": source} if source else {})},
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": place}}],
        "OutputDataConfig": {"S3OutputPath": "s3://jobs/out", "CompressionType": "NONE"},
        **given,
    }


def refusal(cloud, wish: dict) -> str:
    with pytest.raises(ClientError) as caught:
        client(cloud, "sagemaker", attempts=1).create_training_job(**wish)
    assert caught.value.response["Error"]["Code"] in ("ValidationException", "AccessDeniedException")
    return str(caught.value)


def test_a_job_leaves_files_and_a_model_package_that_the_next_one_starts_from_and_bedrock_imports(
    cloud, role, group, evaluator
):
    sagemaker, s3 = client(cloud, "sagemaker"), client(cloud, "s3")
    sagemaker.create_training_job(**request(role, group, "sft-1", HyperParameters={"learning_rate": "0.002"}))
    job = ended(cloud, "sft-1")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    manifest = s3.get_object(Bucket="jobs", Key="out/sft-1/output/output/manifest.json")["Body"].read()
    assert json.loads(manifest)["checkpoint_s3_bucket"].endswith("/sft-1/step_3")
    assert s3.list_objects_v2(Bucket="jobs", Prefix="out/sft-1/output/output.tar.gz")["KeyCount"] == 0
    package = job["OutputModelPackageArn"]
    assert sagemaker.describe_model_package(ModelPackageName=package)["ModelPackageStatus"] == "Completed"
    reinforce = {"JobType": "FineTuning", "CustomizationTechnique": "RLVR", "Peft": "LORA", "EvaluatorArn": evaluator}
    sagemaker.create_training_job(**request(role, group, "rft-1", reinforce, package))
    assert ended(cloud, "rft-1")["OutputModelPackageArn"] == package[:-1] + "2"
    assert "technique=rft rows=3 inherited=['weights.json']" in log_of(cloud, "rft-1")
    importer = make_role(
        cloud, "importer", "bedrock.amazonaws.com", ("s3:*", "*"), ("sagemaker:AccessModelPackage", PACKAGES)
    )
    source = {"modelPackageArnDataSource": {"modelPackageArn": package}}
    bedrock = client(cloud, "bedrock")
    wish = {"modelName": "m", "customModelDataSource": source}
    assert active(cloud, bedrock.create_custom_model(**wish, roleArn=importer)["modelArn"])["modelStatus"] == "Active"
    stranger = make_role(cloud, "stranger", "bedrock.amazonaws.com", ("s3:*", "*"))
    with pytest.raises(ClientError, match="sagemaker:AccessModelPackage"):
        bedrock.create_custom_model(**{**wish, "modelName": "n"}, roleArn=stranger)


def test_a_role_that_may_not_read_the_package_cannot_start_from_it(cloud, role, group):
    client(cloud, "sagemaker").create_training_job(**request(role, group, "first"))
    package = ended(cloud, "first")["OutputModelPackageArn"]
    bare = make_role(cloud, "bare", "sagemaker.amazonaws.com", *OUTPUT)
    assert "sagemaker:AccessModelPackage" in refusal(cloud, request(bare, group, "second", source=package))


def test_a_group_is_deleted_once_its_packages_are(cloud, role):
    sagemaker = client(cloud, "sagemaker")
    own = sagemaker.create_model_package_group(ModelPackageGroupName="passing")["ModelPackageGroupArn"]
    sagemaker.create_training_job(**request(role, own, "passing"))
    package = ended(cloud, "passing")["OutputModelPackageArn"]
    with pytest.raises(ClientError, match="it has model packages"):
        sagemaker.delete_model_package_group(ModelPackageGroupName="passing")
    (listed,) = sagemaker.list_model_packages(ModelPackageGroupName=own)["ModelPackageSummaryList"]
    assert listed["ModelPackageArn"] == package
    sagemaker.delete_model_package(ModelPackageName=package)
    sagemaker.delete_model_package_group(ModelPackageGroupName=own)
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.delete_model_package_group(ModelPackageGroupName="passing")


NO_GROUP = "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/none"
RLVR = {"JobType": "FineTuning", "CustomizationTechnique": "RLVR"}


@pytest.mark.parametrize(
    ("config", "given", "words"),
    [
        (None, {"ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
         "ResourceConfig can't be specified together"),
        (None, {"AlgorithmSpecification": {"TrainingInputMode": "File"}}, "AlgorithmSpecification can't be specified"),
        (None, {"HyperParameters": {"num_epochs": "3"}}, "num_epochs"),
        (None, {"ModelPackageConfig": {"ModelPackageGroupArn": NO_GROUP}}, "does not exist"),
        ({"JobType": "FineTuning"}, {}, "CustomizationTechnique None"),
        ({"JobType": "FineTuning", "CustomizationTechnique": "GRPO"}, {}, "enum value set"),
        (RLVR, {}, "EvaluatorArn is required"),
        ({**RLVR, "EvaluatorArn": "arn:aws:sagemaker:us-east-1:1:hub-content/x/JsonDoc/y/1.0.0"}, {}, "EvaluatorArn"),
        ({"JobType": "Evaluation", "EvaluationType": "BenchmarkEvaluation"}, {}, "CustomScorerEvaluation"),
    ],
)  # fmt: skip
def test_wrong_combinations_are_refused(cloud, role, group, config, given, words):
    wish = {**request(role, group, "wrong", config), **given}
    assert words in refusal(cloud, wish)


def test_a_job_with_neither_form_is_refused(cloud, role, group):
    wish = request(role, group, "neither")
    del wish["ServerlessJobConfig"]
    assert "AlgorithmSpecification is required" in refusal(cloud, wish)


@pytest.mark.parametrize("technique", ["sft", "rft", "evaluate"])
def test_hyperparameters_of_a_recipe_make_the_same_recipe_again(technique):
    recipe = default_recipe(technique)
    made = yaml.safe_load(yaml.safe_dump(recipe))
    override(made, technique, hyperparameters(recipe, technique))
    assert made == recipe


class Stack:
    """A stack called toolsmith of this cloud, with its reward function."""

    stack = "toolsmith"

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def client(self, service: str):
        return client(self._cloud, service) if service == "sagemaker" else self

    def get_function(self, FunctionName: str) -> dict:
        assert FunctionName == "toolsmith-SageMakerReward"
        return {"Configuration": {"FunctionArn": REWARD}}


def test_the_reward_function_is_registered_once_and_under_the_name_that_the_laptops_stack_is_given(cloud):
    assert register(Stack(cloud)) == register(Stack(cloud)) == LOCAL_ARN
    assert placed("serverless")["EvaluatorArn"] == LOCAL_ARN and "EvaluatorArn" not in placed("bedrock")
