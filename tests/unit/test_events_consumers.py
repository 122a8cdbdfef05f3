"""The example consumers: they name real events and fields, and nothing is lost or open to others."""

import json
import re

import pytest

from tests.template.loading import as_list, template
from tests.unit.test_events import generate
from toolsmith import events

PATH = "events/consumers.template.yaml"
RESOURCES = template(PATH)["Resources"]
RULES = {name: r["Properties"] for name, r in RESOURCES.items() if r["Type"] == "AWS::Events::Rule"}


def matching(rule):
    """The detail-types whose committed sample the rule's pattern lets through."""
    wanted = rule["EventPattern"].get("detail-type", list(events.PUBLISHED))
    some_of = [set(each) for each in rule["EventPattern"].get("detail", {}).get("$or", [])]
    details = {name: generate.sample(name)["detail"] for name in wanted}
    return {name for name, detail in details.items() if not some_of or any(each <= set(detail) for each in some_of)}


@pytest.mark.parametrize("name", RULES)
def test_every_rule_listens_to_published_events_of_the_stacks_bus(name):
    rule = RULES[name]
    assert rule["EventBusName"] == {"!Ref": "BusName"} and rule["EventPattern"]["source"] == [events.SOURCE]
    assert matching(rule) and matching(rule) <= set(events.PUBLISHED)


def test_the_queue_gets_what_bears_on_runs_and_nothing_about_single_documents():
    assert matching(RULES["RunsToQueue"]) == {name for name in events.PUBLISHED if not name.startswith("Document")}


@pytest.mark.parametrize("name", RULES)
def test_what_cannot_be_delivered_is_retried_and_kept(name):
    for target in RULES[name]["Targets"]:
        assert target["DeadLetterConfig"] == {"Arn": {"!GetAtt": "Undelivered.Arn"}}
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if "InputTransformer" in rule["Targets"][0]])
def test_a_message_is_json_with_every_field_filled_in(name):
    transformer = RULES[name]["Targets"][0]["InputTransformer"]
    for detail_type in matching(RULES[name]):
        detail = generate.sample(detail_type)["detail"]
        required = events.schema(events.PUBLISHED[detail_type])["required"]
        text = transformer["InputTemplate"]
        for variable, path in transformer["InputPathsMap"].items():
            field = path.removeprefix("$.detail.")
            assert field in required
            text = text.replace(f"<{variable}>", detail[field])
        assert not re.search(r"<\w+>", text) and list(json.loads(text)) == ["text"]


def test_the_function_takes_up_the_model_of_the_event():
    code = {}
    exec(RESOURCES["Function"]["Properties"]["Code"]["ZipFile"], code)
    event = generate.sample("Model Registered")
    assert code["app"](event, None) == event["detail"]["deployment_arn"]


def test_only_rules_of_this_account_reach_queues_function_and_role():
    send, tls = RESOURCES["QueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert set(send["Condition"]["ArnLike"]) == {"aws:SourceArn"}
    assert set(send["Condition"]["StringEquals"]) == {"aws:SourceAccount"}
    assert tls["Effect"] == "Deny" and tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    permission = RESOURCES["FunctionPermission"]["Properties"]
    assert permission["SourceArn"] == {"!GetAtt": "RegisteredToFunction.Arn"} and "SourceAccount" in permission
    (assumed,) = RESOURCES["SlackRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert "aws:SourceAccount" in assumed["Condition"]["StringEquals"]


def test_queues_are_encrypted_and_the_webhook_is_not_shown():
    queues = [r["Properties"] for r in RESOURCES.values() if r["Type"] == "AWS::SQS::Queue"]
    assert len(queues) == 2 and all(queue["SqsManagedSseEnabled"] for queue in queues)
    assert template(PATH)["Parameters"]["SlackWebhook"]["NoEcho"] is True


def test_the_role_that_posts_may_do_nothing_else():
    (policy,) = RESOURCES["SlackRole"]["Properties"]["Policies"]
    granted = [action for s in policy["PolicyDocument"]["Statement"] for action in as_list(s["Action"])]
    assert granted == ["events:InvokeApiDestination"]
