"""The check of the account: every way it may fail says what to do, and the adapter asks the services rightly."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import Stubber

from toolsmith.aws.account import Account
from toolsmith.customization import load_profile
from toolsmith.errors import PreflightFailed
from toolsmith.pipeline import account

ROLES = {"arn:aws:iam::1:role/train": "sagemaker.amazonaws.com", "arn:aws:iam::1:role/import": "bedrock.amazonaws.com"}
P5 = "ml.p5.48xlarge for training job usage"


class Granted:
    """An account in which everything is as it should be, but for what a test changes."""

    def __init__(self, **changes):
        self.quotas = {P5: 8.0}
        self.status = "ACTIVE"
        self.denied = {}
        self.trust = {arn: {service} for arn, service in ROLES.items()}
        self.asked = []
        vars(self).update(changes)

    def quota(self, name):
        return self.quotas.get(name)

    def lifecycle(self, model_id):
        self.asked.append(model_id)
        return self.status

    def access(self, model_id):
        return self.denied

    def trusted(self, role_arn):
        return self.trust.get(role_arn, set())


def question(student="nova-2-lite", teacher="us.amazon.nova-pro-v1:0"):
    return account.Question(load_profile(student), teacher, ROLES, "us-east-1")


def test_an_account_that_has_everything_passes_and_says_what_was_read():
    granted = Granted()
    found = account.check(granted, question())
    assert found["warnings"] == [] and len(found["checked"]) == 5
    assert granted.asked == ["amazon.nova-pro-v1:0", "amazon.nova-2-lite-v1:0"]


@pytest.mark.parametrize("place", ["serverless", "bedrock"])
def test_jobs_without_instances_need_no_quota_of_instances(place):
    assert len(account.check(Granted(quotas={}), replace(question(), on=place))["checked"]) == 4


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"quotas": {}}, ["not granted", "servicequotas", "redrive"]),
        ({"quotas": {P5: 3.0}}, ["is 3", "needs 4", "ask for 6"]),
        ({"status": "LEGACY"}, ["LEGACY", "Teacher"]),
        ({"status": None}, ["end of life", "Teacher"]),
        ({"denied": {"agreement": "NOT_AVAILABLE"}}, ["agreement", "Model access"]),
        ({"trust": {}}, ["does not trust sagemaker.amazonaws.com", "does not trust bedrock.amazonaws.com"]),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(changes, says):
    with pytest.raises(PreflightFailed) as failed:
        account.check(Granted(**changes), question())
    for words in says:
        assert words in str(failed.value)


def test_all_faults_are_told_at_once():
    with pytest.raises(PreflightFailed) as failed:
        account.check(Granted(quotas={}, status="LEGACY", trust={}), question())
    assert str(failed.value).count(";") >= 4


def test_a_quota_for_one_job_but_not_for_a_phase_is_a_warning():
    found = account.check(Granted(quotas={P5: 4.0}), question())
    assert "side by side" in found["warnings"][0]


def test_the_embedded_student_needs_nothing_and_says_so():
    found = account.check(Granted(quotas={}, status=None, trust={}), question("local"))
    assert "embedded" in found["skipped"]


@pytest.mark.parametrize(
    ("given", "bare"),
    [
        ("amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("us.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("global.anthropic.claude-x-v1:0", "anthropic.claude-x-v1:0"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/eu.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", None),
        ("https://example.org/v1/models/x", None),
    ],
)
def test_the_model_behind_a_profile(given, bare):
    assert account.bare_id(given) == bare


def test_a_teacher_that_names_no_model_is_not_guessed():
    granted = Granted()
    found = account.check(granted, question(teacher="https://example.org/v1#x"))
    assert granted.asked == ["amazon.nova-2-lite-v1:0"] and "not read" in found["warnings"][0]


@pytest.fixture
def services():
    """Real boto3 clients with queued answers, by service; what is asked is checked against the service's own model."""
    keys = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
    made = {name: boto3.client(name, **keys) for name in ("service-quotas", "bedrock", "iam")}
    stubs = {name: Stubber(client) for name, client in made.items()}
    for stub in stubs.values():
        stub.activate()
    yield made.__getitem__, stubs
    for stub in stubs.values():
        stub.assert_no_pending_responses()


def test_a_quota_is_found_by_its_name_on_a_later_page(services):
    client, stubs = services
    quotas = stubs["service-quotas"]
    listed = {"ServiceCode": "sagemaker", "MaxResults": 100}
    quotas.add_response(
        "list_service_quotas", {"Quotas": [{"QuotaName": "x", "QuotaCode": "L-1"}], "NextToken": "n"}, listed
    )
    quotas.add_response(
        "list_service_quotas", {"Quotas": [{"QuotaName": P5, "QuotaCode": "L-2"}]}, {**listed, "NextToken": "n"}
    )
    quotas.add_response(
        "get_service_quota", {"Quota": {"Value": 6.0}}, {"ServiceCode": "sagemaker", "QuotaCode": "L-2"}
    )
    assert Account(client).quota(P5) == 6.0


def test_a_quota_that_nobody_granted_is_none(services):
    client, stubs = services
    stubs["service-quotas"].add_response("list_service_quotas", {"Quotas": []})
    assert Account(client).quota(P5) is None


def test_lifecycle_is_read_and_an_unknown_model_is_none(services):
    client, stubs = services
    details = {"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/m", "modelId": "m",
               "modelLifecycle": {"status": "LEGACY"}}  # fmt: skip
    stubs["bedrock"].add_response("get_foundation_model", {"modelDetails": details}, {"modelIdentifier": "m"})
    stubs["bedrock"].add_client_error("get_foundation_model", "ResourceNotFoundException")
    assert Account(client).lifecycle("m") == "LEGACY"
    assert Account(client).lifecycle("m") is None


def test_access_names_what_is_in_the_way(services):
    client, stubs = services
    said = {"modelId": "m", "agreementAvailability": {"status": "NOT_AVAILABLE"}, "authorizationStatus": "AUTHORIZED",
            "entitlementAvailability": "AVAILABLE", "regionAvailability": "AVAILABLE"}  # fmt: skip
    stubs["bedrock"].add_response("get_foundation_model_availability", said, {"modelId": "m"})
    assert Account(client).access("m") == {"agreement": "NOT_AVAILABLE"}


def test_trust_is_read_from_the_role(services):
    client, stubs = services
    policy = (
        '{"Statement":[{"Effect":"Allow","Principal":{"Service":["bedrock.amazonaws.com"]},"Action":"sts:AssumeRole"},'
        '{"Effect":"Deny","Principal":{"Service":"sagemaker.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
    )
    role = {"Path": "/", "RoleName": "import", "RoleId": "AROA4711AROA4711",
            "Arn": "arn:aws:iam::111122223333:role/import", "CreateDate": datetime(2026, 1, 1, tzinfo=UTC),
            "AssumeRolePolicyDocument": policy}  # fmt: skip
    stubs["iam"].add_response("get_role", {"Role": role}, {"RoleName": "import"})
    stubs["iam"].add_client_error("get_role", "NoSuchEntity")
    reader = Account(lambda name: _Decoded(client(name)))
    assert reader.trusted(role["Arn"]) == {"bedrock.amazonaws.com"}
    assert reader.trusted(role["Arn"]) == set()


class _Decoded:
    """IAM decodes the policy on the wire, which a stubbed answer skips."""

    def __init__(self, iam):
        self._iam = iam

    def get_role(self, **request):
        found = self._iam.get_role(**request)
        document = found["Role"]["AssumeRolePolicyDocument"]
        found["Role"]["AssumeRolePolicyDocument"] = json.loads(document) if isinstance(document, str) else document
        return found
