"""What people are told: alarms over executions go off and end, and what a topic mails can be read."""

import email
import email.policy
import json
import threading
from email.message import EmailMessage

import pytest

from local.cloud import Cloud
from local.cloud.alarms import state_of
from local.cloud.mail import Mailbox
from tests.local.cloud_harness import client, make_cloud, make_role, until

ALARM = {"EvaluationPeriods": 1, "Period": 300, "Threshold": 0, "ComparisonOperator": "GreaterThanThreshold"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Cloud:
    with make_cloud(tmp_path_factory.mktemp("cloud")) as made:
        yield made


@pytest.fixture(scope="module")
def topic(cloud) -> str:
    sns = client(cloud, "sns")
    arn = sns.create_topic(Name="notices")["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="ops@example.com")
    return arn


def mails(cloud: Cloud) -> list[EmailMessage]:
    """What lies in the mailbox, oldest first."""
    files = sorted((cloud.settings.data / "mail").glob("*.eml"))
    return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]


def about(cloud: Cloud, words: str) -> list[EmailMessage]:
    return [mail for mail in mails(cloud) if words in mail["Subject"]]


def test_a_notice_is_mailed_as_it_was_written(cloud, topic):
    client(cloud, "sns").publish(TopicArn=topic, Subject="Toolsmith: run-1 failed", Message="Nächste Schritte:\n…")
    (mail,) = about(cloud, "run-1")
    assert (mail["To"], mail["Subject"]) == ("ops@example.com", "Toolsmith: run-1 failed")
    assert mail.get_content().startswith("Nächste Schritte:\n…\n")
    assert topic in mail.get_content()


def machine(cloud: Cloud, name: str, state: dict) -> str:
    role = make_role(cloud, f"role-{name}", "states.amazonaws.com")
    definition = {"QueryLanguage": "JSONata", "StartAt": "Only", "States": {"Only": state}}
    made = client(cloud, "stepfunctions").create_state_machine(
        name=name, roleArn=role, definition=json.dumps(definition)
    )
    return made["stateMachineArn"]


def watch(cloud: Cloud, topic: str, arn: str) -> str:
    """An alarm over failed executions of a machine; its name."""
    name = arn.rpartition(":")[2] + "-failed"
    client(cloud, "cloudwatch").put_metric_alarm(
        AlarmName=name, AlarmDescription=f"An execution failed. `toolsmith redrive` goes on with {name}.",
        Namespace="AWS/States", MetricName="ExecutionsFailed", Statistic="Sum", **ALARM,
        Dimensions=[{"Name": "StateMachineArn", "Value": arn}], AlarmActions=[topic],
    )  # fmt: skip
    return name


def state(cloud: Cloud, name: str) -> str:
    return client(cloud, "cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]


def test_a_failed_execution_sets_off_the_alarm_of_its_machine_and_no_other(cloud, topic):
    bad = machine(cloud, "bad", {"Type": "Fail", "Error": "Broken"})
    good = machine(cloud, "good", {"Type": "Succeed"})
    off, quiet = watch(cloud, topic, bad), watch(cloud, topic, good)
    for arn in (good, bad):
        client(cloud, "stepfunctions").start_execution(stateMachineArn=arn, input="{}")
    (mail,) = until(lambda: about(cloud, off))
    assert mail["Subject"].startswith(f'ALARM: "{off}"')
    said = mail.get_content()
    assert f"`toolsmith redrive` goes on with {off}." in said and f"StateMachineArn = {bad}" in said
    assert state(cloud, off) == "ALARM"
    until(lambda: state(cloud, quiet) == "OK")
    assert about(cloud, quiet) == []


def test_an_alarm_set_by_hand_is_mailed(cloud, topic):
    cloudwatch = client(cloud, "cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName="letters", Namespace="AWS/SQS", MetricName="x", Statistic="Sum", **ALARM,
                                AlarmActions=[topic])  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName="letters", StateValue="ALARM", StateReason="tried by hand")
    (mail,) = about(cloud, "letters")
    assert "Reason:              tried by hand" in mail.get_content()


@pytest.mark.parametrize(
    ("changes", "moments", "expected"),
    [
        ({}, [], "OK"),
        ({}, [990.0], "ALARM"),
        ({}, [600.0], "OK"),
        ({"Threshold": 2}, [980.0, 990.0], "OK"),
        ({"Threshold": 2, "ComparisonOperator": "GreaterThanOrEqualToThreshold"}, [980.0, 990.0], "ALARM"),
        ({"EvaluationPeriods": 2}, [990.0], "OK"),
        ({"EvaluationPeriods": 2}, [600.0, 990.0], "ALARM"),
        ({"EvaluationPeriods": 2, "DatapointsToAlarm": 1}, [600.0], "ALARM"),
    ],
)
def test_an_alarm_looks_at_its_newest_periods_only(changes, moments, expected):
    assert state_of({**ALARM, **changes}, moments, 1000.0) == expected


def test_a_mail_is_whole_as_soon_as_it_is_there(tmp_path):
    mailbox = Mailbox(tmp_path)
    writer = threading.Thread(
        target=lambda: [mailbox.deliver("ops@example.com", "arn", f"Notice {n}", "word " * 200_000) for n in range(8)]
    )
    writer.start()
    while writer.is_alive():
        for file in tmp_path.glob("*.eml"):
            assert file.read_bytes().endswith(b"Sent to the subscribers of arn.\n")
    assert len(list(tmp_path.iterdir())) == 8
