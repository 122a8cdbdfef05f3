"""The model card that SageMaker keeps: inside the service's schema, the run's own numbers, one card a run."""

import copy
import json

import boto3
import jsonschema
import pytest
from moto import mock_aws

from local.cloud.model_cards import CONTENT
from tests.unit import reporting_run
from toolsmith.catalog import load_catalog
from toolsmith.pipeline import finish
from toolsmith.reporting import registry_card

RUN = reporting_run.RUN


@pytest.fixture(scope="module")
def work():
    store, ledger = copy.deepcopy(reporting_run.stage())
    finish.report(store, ledger, load_catalog(), RUN, reporting_run.OUTCOME, "2026-11-01T12:00:00+00:00")
    return store


@pytest.fixture
def sagemaker(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield boto3.client("sagemaker", region_name="us-east-1")


def test_a_card_fits_the_schema_and_holds_the_numbers_of_the_report(work):
    report = work.read_json(f"runs/{RUN}/report.json")
    card = registry_card.content(report)
    jsonschema.validate(card, CONTENT)
    assert len(json.dumps(card)) < 100_000
    names = [entry["name"] for entry in card["evaluation_details"]]
    (group,) = card["evaluation_details"][names.index("RFT")]["metric_groups"]
    assert group["metric_data"][0]["value"] == report["arms"]["rft"]["score"]["mean"]
    assert report["outcome"]["model_arn"] in card["model_overview"]["model_artifact"]
    counts = {arm: (found["questions"], found["documents"]) for arm, found in report["arms"].items()}
    assert set(counts) > {"constant", "rft"} and len(set(counts.values())) == 1 and 0 not in counts["constant"]


def test_a_model_that_is_its_own_checkpoint_stands_there_once(work):
    report = copy.deepcopy(work.read_json(f"runs/{RUN}/report.json"))
    report["lineage"]["jobs"]["rft"]["checkpoint"] = report["lineage"]["model_arn"]
    artefacts = registry_card.content(report)["model_overview"]["model_artifact"]
    assert len(artefacts) == len(set(artefacts)) == 2


def test_texts_that_are_too_long_are_cut(work):
    report = {**work.read_json(f"runs/{RUN}/report.json"), "verdict": "x" * 5000}
    jsonschema.validate(registry_card.content(report), CONTENT)


def test_a_card_is_made_once_and_then_brought_up_to_date(work, sagemaker):
    assert finish.publish_card(sagemaker, work, RUN) == RUN
    assert sagemaker.describe_model_card(ModelCardName=RUN)["ModelCardStatus"] == "PendingReview"
    later = copy.deepcopy(work)
    later.write_json(f"runs/{RUN}/report.json", {**work.read_json(f"runs/{RUN}/report.json"), "verdict": "Better."})
    finish.publish_card(sagemaker, later, RUN)
    card = sagemaker.describe_model_card(ModelCardName=RUN)
    assert json.loads(card["Content"])["model_overview"]["model_description"] == "Better."


def test_a_run_without_a_model_has_no_card(work, sagemaker):
    other = copy.deepcopy(work)
    other.write_json(f"runs/{RUN}/report.json", {**work.read_json(f"runs/{RUN}/report.json"), "outcome": {}})
    assert finish.publish_card(sagemaker, other, RUN) is None
    assert sagemaker.list_model_cards()["ModelCardSummaries"] == []
