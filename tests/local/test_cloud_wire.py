"""Requests against the services' own models."""

import pytest

from local.cloud import wire
from local.cloud.errors import ApiError
from local.cloud.s3io import split


@pytest.mark.parametrize(
    ("method", "path", "operation", "members"),
    [
        ("POST", "/custom-models/create-custom-model", "CreateCustomModel", {}),
        ("GET", "/custom-models", "ListCustomModels", {}),
        ("GET", "/custom-models/m1", "GetCustomModel", {"modelIdentifier": "m1"}),
        (
            "GET", "/custom-models/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Acustom-model%2Fimported%2Fab",
            "GetCustomModel", {"modelIdentifier": "arn:aws:bedrock:us-east-1:1:custom-model/imported/ab"},
        ),
        (
            "PATCH", "/model-customization/custom-model-deployments/d1",
            "UpdateCustomModelDeployment", {"customModelDeploymentIdentifier": "d1"},
        ),
        ("POST", "/model-invocation-job/j1/stop", "StopModelInvocationJob", {"jobIdentifier": "j1"}),
    ],
)  # fmt: skip
def test_a_path_names_its_operation(method, path, operation, members):
    assert wire.rest_request("bedrock", method, path, {}, b"") == (operation, members)


def test_query_members_have_their_types():
    query = {"nameContains": ["m"], "maxResults": ["7"]}
    found = wire.rest_request("bedrock", "GET", "/custom-models", query, b"")
    assert found == ("ListCustomModels", {"nameContains": "m", "maxResults": 7})


def test_a_model_id_may_hold_slashes():
    path = "/model/arn:aws:bedrock:us-east-1:1:custom-model-deployment/ab/converse"
    operation, members = wire.rest_request("bedrock-runtime", "POST", path, {}, b"{}")
    assert (operation, members["modelId"]) == ("Converse", "arn:aws:bedrock:us-east-1:1:custom-model-deployment/ab")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"TrainingJobName": None}, "'trainingJobName' failed to satisfy constraint: Member must not be null"),
        ({"TrainingJobName": "a_b"}, "must satisfy regular expression pattern"),
        ({"RoleArn": 7}, "'roleArn' failed to satisfy constraint: Member must be a string"),
        ({"Colour": "red"}, "'colour' failed to satisfy constraint: Member is not known"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "greater than or equal to 1"),
        ({"HyperParameters": {"k": "x" * 2501}}, "length less than or equal to 2500"),
        ({"AlgorithmSpecification": {"TrainingInputMode": "Floppy"}}, "must satisfy enum value set"),
    ],
)
def test_a_bad_member_is_named(change, fault):
    good = {
        "TrainingJobName": "job",
        "RoleArn": "arn:aws:iam::123456789012:role/trainer",
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    }
    wire.validate("sagemaker", "CreateTrainingJob", good)
    with pytest.raises(ApiError) as caught:
        wire.validate("sagemaker", "CreateTrainingJob", {**good, **change})
    assert caught.value.code == "ValidationException" and fault in caught.value.message


@pytest.mark.parametrize("body", [b"{no", b"[]"])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(ApiError, match="SerializationException"):
        wire.json_request(body)


def test_an_address_is_split():
    assert split("s3://bucket/a/b.txt") == ("bucket", "a/b.txt")
    with pytest.raises(ValueError, match="not an s3:// address"):
        split("https://bucket/a")
