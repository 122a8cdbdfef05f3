"""Tearing a stack down: what stays is said first, with its price, and nothing is deleted that nobody confirmed."""

import io

import pytest
from botocore.exceptions import ClientError, WaiterError

from local.cli import destroy, main
from local.cli.place import Place

GROUP = "arn:aws:sagemaker:us-east-1:111122223333:model-package-group/prod-1a2b3c4d"
PACKAGE = "arn:aws:sagemaker:us-east-1:111122223333:model-package/prod-1a2b3c4d/1"
OUTPUTS = {"IntakeBucket": "intake", "WorkBucket": "work", "LedgerTable": "ledger", "ModelPackages": GROUP}
VERSIONS = {"intake": [{"Size": 1_000_000_000}] * 3, "work": [{"Size": 10}]}
MODELS = [{"modelName": "run-1-rft", "modelArn": "arn:model/1"}, {"modelName": "somebody-elses", "modelArn": "arn:2"}]
DEPLOYED = [{"customModelDeploymentName": name, "customModelDeploymentArn": f"arn:deployment/{name}"} for name in
            ("prod", "other", "run-5-evaluate-more-sft-1")]  # fmt: skip


class Account:
    """Answers what destroy asks, for any service; `deleted` lists the stacks that were deleted."""

    def __init__(self, method=""):
        self.method, self.deleted, self.in_the_way, self.has_hub = method, [], None, False

    def get_paginator(self, method):
        return Account(method)

    def paginate(self, Bucket="", ModelPackageGroupName="", NameContains=""):
        packages = [{"ModelPackageArn": PACKAGE}] if ModelPackageGroupName == GROUP else []
        return [{"list_object_versions": {"Versions": VERSIONS.get(Bucket, [])},
                 "list_model_cards": {"ModelCardSummaries": [{"ModelCardName": "run-1"}, {"ModelCardName": "rerun"}]},
                 "list_model_packages": {"ModelPackageSummaryList": packages},
                 "list_custom_models": {"modelSummaries": MODELS},
                 "list_custom_model_deployments": {"modelDeploymentSummaries": DEPLOYED}}[self.method]]  # fmt: skip

    def describe_table(self, TableName):
        return {"Table": {"ItemCount": 74, "TableSizeBytes": 4_000_000_000}}

    def describe_hub_content(self, HubName, **_):
        if not self.has_hub:
            raise ClientError({"Error": {"Code": "ResourceNotFound"}}, "DescribeHubContent")

    def describe_stacks(self, StackName):
        return {"Stacks": [{"StackId": f"arn:stack/{StackName}"}]}

    def delete_stack(self, StackName):
        self.deleted.append(StackName)

    def get_waiter(self, name):
        assert name == "stack_delete_complete"
        return self

    def wait(self, StackName, WaiterConfig):
        if self.in_the_way:
            raise WaiterError("StackDeleteComplete", "a terminal failure", {})

    def describe_stack_events(self, StackName):
        failed = {"LogicalResourceId": "Bus", "ResourceStatus": "DELETE_FAILED",
                  "ResourceStatusReason": self.in_the_way}  # fmt: skip
        return {"StackEvents": [{"LogicalResourceId": "Ledger", "ResourceStatus": "DELETE_SKIPPED"}, failed]}


@pytest.fixture
def account(monkeypatch):
    """The account that stack "prod" is deployed in."""
    account, place = Account(), Place("prod", None, ())
    place.__dict__["outputs"] = OUTPUTS
    monkeypatch.setattr(Place, "client", lambda self, service: account)
    monkeypatch.setattr(destroy, "place_of", lambda arguments: place)
    return account


def test_what_stays_is_said_with_its_price_and_the_command_that_removes_it(account, capsys):
    assert main(["destroy", "--stack", "prod", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "bucket intake: 3 object versions, 3.00 GB, 0.07 USD a month" in said
    assert "table ledger, with its backup: 74 rows, 1.80 USD a month" in said
    assert "bucket work: 1 object versions, 0.0 MB, under 0.01 USD a month" in said
    assert "run-1-rft" in said and "somebody-elses" not in said
    assert "arn:deployment/prod" in said and "arn:deployment/other" not in said
    assert "deployment run-5-evaluate-more-sft-1, of this stack or another: a run failed while it asked" in said
    assert "--custom-model-deployment-identifier arn:deployment/run-5-evaluate-more-sft-1\n" in said
    assert "model card run-1, of this stack or another" in said and "rerun" not in said
    for command in ("delete-bucket", "delete-table", "delete-custom-model ", "delete-custom-model-deployment",
                    "delete-model-card --model-card-name run-1\n"):  # fmt: skip
        assert command in said
    assert account.deleted == []


def test_the_packages_of_serverless_runs_are_told_before_their_group_which_must_be_empty_first(account, capsys):
    assert main(["destroy", "--stack", "prod", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "model package group prod-1a2b3c4d, packages of serverless runs in it: 1;" in said
    package = said.index(f"aws sagemaker delete-model-package --model-package-name {PACKAGE}\n")
    group = said.index("aws sagemaker delete-model-package-group --model-package-group-name prod-1a2b3c4d\n")
    assert package < group


@pytest.mark.parametrize(("typed", "code"), [("prod\n", 0), ("yes\n", 1), ("", 1)])
def test_only_the_name_of_the_stack_confirms(account, monkeypatch, typed, code):
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert main(["destroy", "--stack", "prod"]) == code
    assert bool(account.deleted) == (code == 0)


def test_yes_asks_nothing_and_deletes_the_stack_that_was_named(account):
    assert main(["destroy", "--stack", "prod", "--yes"]) == 0
    assert account.deleted == ["arn:stack/prod"]


def test_what_is_in_the_way_is_told(account, capsys):
    account.in_the_way = "Rule consumers must be deleted first"
    assert main(["destroy", "--stack", "prod", "--yes"]) == 1
    assert "Bus: Rule consumers must be deleted first" in (said := capsys.readouterr().err) and "Ledger" not in said


@pytest.mark.parametrize("has_hub", [False, True])
def test_the_hub_of_serverless_runs_is_told_where_there_is_one(account, has_hub, capsys):
    account.has_hub = has_hub
    assert main(["destroy", "--stack", "prod", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert ("aws sagemaker delete-hub --hub-name prod\n" in said) == ("delete-hub-content" in said) == has_hub
