"""Every rule is watched failing: a template broken in one place, and the rule that has to notice."""

import copy
import inspect

import pytest

from tests.template import loading, test_template

WILD = {"Effect": "Allow", "Action": "s3:*", "Resource": "x"}


def properties(broken, name):
    return broken["Resources"][name]["Properties"]


def granted(broken, name):
    return properties(broken, name)["Policies"][0]["Statement"]


def without(mapping, key):
    del mapping[key]


def cut(broken, name, **changes):
    """Set properties of a resource."""
    properties(broken, name).update(changes)


BROKEN = [
    ("no_statement_grants_every_action", lambda t: granted(t, "ParseFunction").append(WILD)),
    ("every_resource_is_named_unless", lambda t: granted(t, "ParseFunction").append({**WILD, "Action": "s3:GetObject",
                                                                                     "Resource": "*"})),
    ("roles_are_passed_to_one_named", lambda t: [s.pop("Condition", None) for s in granted(t, "CustomizeMachine")]),
    ("roles_of_services_are_only", lambda t: properties(t, "ImportRole")["AssumeRolePolicyDocument"]["Statement"][0][
        "Condition"].update(StringEquals={})),
    ("every_bucket_is_private", lambda t: properties(t, "WorkBucket")["PublicAccessBlockConfiguration"].update(
        BlockPublicAcls=False)),
    ("every_bucket_is_private", lambda t: t["Resources"]["WorkBucket"].update(DeletionPolicy="Delete")),
    ("every_bucket_is_private", lambda t: without(properties(t, "IntakeBucket"), "LifecycleConfiguration")),
    ("every_bucket_is_private", lambda t: without(properties(t, "IntakeBucket"), "BucketEncryption")),
    ("every_bucket_is_private", lambda t: without(properties(t, "WorkBucket")["PublicAccessBlockConfiguration"],
                                                  "IgnorePublicAcls")),
    ("every_bucket_is_private", lambda t: properties(t, "IntakeBucket")["BucketEncryption"][
        "ServerSideEncryptionConfiguration"][0].update(ServerSideEncryptionByDefault={"SSEAlgorithm": "AES256"})),
    ("every_bucket_is_private", lambda t: properties(t, "WorkBucketPolicy")["PolicyDocument"]["Statement"][0][
        "Resource"].pop()),
    ("every_bucket_is_private", lambda t: t["Resources"]["IntakeBucket"].update(UpdateReplacePolicy="Delete")),
    ("the_group_of_model_packages", lambda t: without(t["Resources"]["ModelPackages"], "DeletionPolicy")),
    ("the_group_of_model_packages", lambda t: t["Resources"]["ModelPackages"].update(Condition="OnServerless")),
    ("the_group_of_model_packages", lambda t: cut(t, "ModelPackages", ModelPackageGroupName="models")),
    ("logs_are_kept_for_a_time", lambda t: without(properties(t, "MachineLogs"), "RetentionInDays")),
    ("logs_are_kept_for_a_time", lambda t: without(properties(t, "FunctionLogs"), "KmsKeyId")),
    ("functions_are_traced", lambda t: t["Globals"]["Function"].update(Tracing="PassThrough")),
    ("functions_are_traced", lambda t: t["Globals"]["Function"]["LoggingConfig"].update(ApplicationLogLevel="DEBUG")),
    ("the_ledger_is_kept", lambda t: t["Resources"]["Ledger"].update(DeletionPolicy="Delete")),
    ("the_ledger_is_kept", lambda t: cut(t, "Ledger", SSESpecification={"SSEEnabled": False})),
    ("an_event_that_cannot_be_delivered", lambda t: without(properties(t, "Everything")["Targets"][0],
                                                            "DeadLetterConfig")),
    ("an_event_that_cannot_be_delivered", lambda t: cut(t, "StartQueue", SqsManagedSseEnabled=False)),
    ("an_event_that_a_function_fails_on", lambda t: without(properties(t, "NotifyFunction"), "EventInvokeConfig")),
    ("queues_are_spoken_to_over_tls", lambda t: properties(t, "QueuePolicy")["PolicyDocument"]["Statement"].pop()),
    ("queues_are_spoken_to_over_tls", lambda t: t["Resources"].update(Other=t["Resources"]["StartQueue"])),
    ("every_rule_that_writes_to_a_queue", lambda t: properties(t, "QueuePolicy")["PolicyDocument"]["Statement"][0][
        "Condition"].update(StringEquals={})),
    ("every_rule_that_writes_to_a_queue", lambda t: t["Resources"].update(Other=t["Resources"]["Arrivals"])),
    ("functions_called_by_rules", lambda t: without(properties(t, "NotifyPermission"), "SourceAccount")),
    ("the_queue_waits_longer", lambda t: cut(t, "StartQueue", VisibilityTimeout=60)),
    ("the_reward_function_has_the_name", lambda t: cut(t, "RewardFunction", FunctionName={"!Sub": "reward"})),
    ("nothing_is_named_by_hand", lambda t: cut(t, "Bus", Name="toolsmith")),
    ("nothing_is_named_by_hand", lambda t: cut(t, "StartQueue", QueueName="start")),
    ("every_alarm_reaches_a_topic", lambda t: cut(t, "DeadLetterAlarm", AlarmActions=[{"!Ref": "Elsewhere"}])),
    ("every_alarm_reaches_a_topic", lambda t: without(t["Resources"], "NoticesByMail")),
    ("a_topic_that_alarms_publish_to", lambda t: cut(t, "Notices", KmsMasterKeyId="alias/aws/sns")),
    ("a_topic_that_alarms_publish_to", lambda t: properties(t, "NoticesPolicy")["PolicyDocument"]["Statement"].pop()),
    ("who_publishes_to_the_topic", lambda t: granted(t, "NotifyFunction").pop()),
    ("what_must_not_go_unseen", lambda t: without(t["Resources"], "IngestTimedOutAlarm")),
    ("what_must_not_go_unseen", lambda t: without(t["Resources"], "SettleQueueAlarm")),
    ("what_must_not_go_unseen", lambda t: cut(t, "GraderErrorAlarm", TreatMissingData="breaching")),
    ("the_dashboard_is_json", lambda t: without(t["Resources"], "StartQueueAlarm")),
    ("the_dashboard_is_json", lambda t: without(t["Resources"], "TeachFunction")),
    ("every_parameter_stands_in_a_group", lambda t: t["Parameters"].update(Forgotten={"Type": "String"})),
    ("a_mistake_in_what_is_typed", lambda t: t["Parameters"]["AlarmEmail"].update(AllowedPattern=".*")),
    ("a_mistake_in_what_is_typed", lambda t: without(t["Parameters"]["BudgetUsd"], "MinValue")),
    ("a_mistake_in_what_is_typed", lambda t: without(t["Rules"], "SomebodyIsAskedForApproval")),
    ("a_mistake_in_what_is_typed", lambda t: without(t["Rules"], "ServerlessRewardsAreRegistered")),
    ("a_mistake_in_what_is_typed", lambda t: without(t["Rules"], "BedrockLogsToNoMlflow")),
    ("what_the_laptop_cannot_deploy", lambda t: t["Parameters"]["SchemaRegistry"].update(Default="true")),
    ("the_assistant_is_off", lambda t: cut(t, "AssistantFunction", FunctionUrlConfig={"AuthType": "NONE"})),
    ("the_assistant_is_off", lambda t: granted(t, "AssistantFunction").append({**WILD, "Action": "s3:PutObject"})),
    ("every_function_folder_is_deployed", lambda t: without(t["Resources"], "NotifyFunction")),
    ("functions_get_the_variables", lambda t: without(properties(t, "StartFunction")["Environment"]["Variables"],
                                                      "CONTROL_ARM")),
    ("functions_get_the_variables", lambda t: without(properties(t, "NotifyFunction"), "Environment")),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "breaking"), BROKEN, ids=[f"{n}-{rule}" for n, (rule, _) in enumerate(BROKEN)])
def test_a_broken_template_is_noticed(rule, breaking, monkeypatch):
    broken = copy.deepcopy(loading.template())
    breaking(broken)
    (check,) = [function for name, function in inspect.getmembers(test_template, inspect.isfunction)
                if name.startswith(f"test_{rule}")]  # fmt: skip
    check()
    for module in (loading, test_template):
        monkeypatch.setattr(module, "template", lambda: broken)
    with pytest.raises((AssertionError, KeyError, ValueError)):
        check()


def test_every_rule_is_watched():
    """Rules that read files, or are tried with several machines, are left to those who change the files."""
    own = [name.removeprefix("test_") for name, function in inspect.getmembers(test_template, inspect.isfunction)
           if name.startswith("test_") and not inspect.signature(function).parameters]  # fmt: skip
    unwatched = {name for name in own if not any(name.startswith(rule) for rule, _ in BROKEN)}
    assert unwatched <= {"no_partition_is_written_out", "widgets_of_the_dashboard_neither_overlap_nor_leave_the_page"}
