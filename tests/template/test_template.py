"""Rules that template.yaml has to keep. Each check is a function of the parsed resources."""

import inspect
import json
import re
import tomllib

import pytest

from tests.template.loading import ROOT, as_list, machines, resources, statements, template
from toolsmith.aws import wiring

# Actions that know no resource, or whose resource has no name before it exists; each with the reason.
RESOURCELESS = {
    "cloudwatch:PutMetricData": "knows no resource; narrowed by its namespace",
    "ecr:GetAuthorizationToken": "knows no resource",
    "servicequotas:ListServiceQuotas": "knows no resource",
    "bedrock:GetFoundationModelAvailability": "knows no resource",
    **dict.fromkeys(
        (
            "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies",
            "logs:DescribeLogGroups",
        ),
        "vended logs of Step Functions know no resource",
    ),
    **dict.fromkeys(
        ("xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"),
        "X-Ray knows no resource",
    ),
}  # fmt: skip

CLOSED = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def test_no_statement_grants_every_action():
    wild = [(name, action) for name, s in statements() for action in as_list(s["Action"]) if action.endswith("*")]
    assert wild == []


def test_every_resource_is_named_unless_there_is_a_reason():
    wild = {(name, a) for name, s in statements() if s["Resource"] == "*" for a in as_list(s["Action"])}
    assert {pair for pair in wild if pair[1] not in RESOURCELESS} == set()


def test_roles_are_passed_to_one_named_service_only():
    passing = [(name, s) for name, s in statements() if "iam:PassRole" in as_list(s["Action"])]
    assert len(passing) == 4
    for name, statement in passing:
        assert "iam:PassedToService" in statement["Condition"]["StringEquals"], name
        assert statement["Resource"] != "*", name


def test_roles_of_services_are_only_for_this_account():
    for name, role in resources("AWS::IAM::Role").items():
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
            assert "aws:SourceAccount" in statement["Condition"]["StringEquals"], name


def test_every_bucket_is_private_versioned_encrypted_and_kept():
    buckets = resources("AWS::S3::Bucket")
    assert len(buckets) == 2
    policed = {p["Properties"]["Bucket"]["!Ref"]: p for p in resources("AWS::S3::BucketPolicy").values()}
    for name, bucket in buckets.items():
        properties = bucket["Properties"]
        assert properties["PublicAccessBlockConfiguration"] == dict.fromkeys(CLOSED, True), name
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}, name
        (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms", name
        assert "LifecycleConfiguration" in properties, name
        assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain", name
        tls = policed[name]["Properties"]["PolicyDocument"]["Statement"][0]
        assert tls["Effect"] == "Deny" and tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}, name
        assert tls["Resource"] == [{"!GetAtt": f"{name}.Arn"}, {"!Sub": f"${{{name}.Arn}}/*"}], name


def test_the_ledger_is_kept_encrypted_and_recoverable():
    (ledger,) = resources("AWS::DynamoDB::Table").values()
    assert ledger["DeletionPolicy"] == ledger["UpdateReplacePolicy"] == "Retain"
    assert ledger["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert ledger["Properties"]["SSESpecification"] == {"SSEEnabled": True}


def test_the_group_of_model_packages_is_kept_whatever_the_place_of_jobs_and_named_anew_by_every_stack():
    """A group with packages cannot be deleted, and one that stayed would stand in the way of the next stack's."""
    (group,) = resources("AWS::SageMaker::ModelPackageGroup").values()
    assert group["DeletionPolicy"] == group["UpdateReplacePolicy"] == "Retain"
    assert "Condition" not in group
    assert "AWS::StackId" in json.dumps(group["Properties"]["ModelPackageGroupName"])


def test_logs_are_kept_for_a_time_and_under_the_key_of_the_stack():
    groups = resources("AWS::Logs::LogGroup")
    for name, group in groups.items():
        assert group["Properties"]["RetentionInDays"] == {"!Ref": "RetentionDays"}, name
        assert {"!Ref": "KmsKeyArn"} in group["Properties"]["KmsKeyId"]["!If"], name
    for name, machine in resources("AWS::Serverless::StateMachine").items():
        (kept,) = machine["Properties"]["Logging"]["Destinations"]
        assert kept["CloudWatchLogsLogGroup"]["LogGroupArn"]["!GetAtt"].removesuffix(".Arn") in groups, name


def test_functions_are_traced_and_log_into_the_group_of_the_stack_no_more_than_info():
    shared = template()["Globals"]["Function"]
    logging = shared["LoggingConfig"]
    assert shared["Tracing"] == "Active" and logging["LogGroup"]["!Ref"] in resources("AWS::Logs::LogGroup")
    assert (logging["LogFormat"], logging["ApplicationLogLevel"]) == ("JSON", "INFO")
    own = {name for name, f in resources("AWS::Serverless::Function").items()
           if f["Properties"].keys() & {"Tracing", "LoggingConfig"}}  # fmt: skip
    assert own == set()


def test_an_event_that_cannot_be_delivered_is_retried_and_kept():
    rules = resources("AWS::Events::Rule")
    assert rules
    for name, rule in rules.items():
        for target in rule["Properties"]["Targets"]:
            assert target["DeadLetterConfig"]["Arn"] == {"!GetAtt": "DeadLetters.Arn"}, name
            assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0, name
    for name, queue in resources("AWS::SQS::Queue").items():
        assert queue["Properties"]["SqsManagedSseEnabled"] is True, name
        if name != "DeadLetters":
            assert queue["Properties"]["RedrivePolicy"]["maxReceiveCount"] >= 3, name


def test_an_event_that_a_function_fails_on_is_kept():
    """A rule's dead letters are for what never reached the function; what it fails on is the function's to keep."""
    targets = [target for rule in resources("AWS::Events::Rule").values() for target in rule["Properties"]["Targets"]]
    named = {target["Arn"]["!GetAtt"].split(".")[0] for target in targets}
    called = {n: f for n, f in resources("AWS::Serverless::Function").items() if n in named}
    assert len(called) == 2
    for name, function in called.items():
        kept = function["Properties"]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
        assert kept == {"Type": "SQS", "Destination": {"!GetAtt": "DeadLetters.Arn"}}, name


def test_queues_are_spoken_to_over_tls_only():
    (policy,) = resources("AWS::SQS::QueuePolicy").values()
    denies = [s for s in policy["Properties"]["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
    assert [(s["Action"], s["Principal"], s["Condition"]) for s in denies] == [
        ("sqs:*", "*", {"Bool": {"aws:SecureTransport": "false"}})
    ]
    named = {queue["!GetAtt"] for queue in denies[0]["Resource"]}
    assert named == {f"{name}.Arn" for name in resources("AWS::SQS::Queue")}


def test_every_rule_that_writes_to_a_queue_is_named_in_its_policy():
    (policy,) = resources("AWS::SQS::QueuePolicy").values()
    allowed = policy["Properties"]["PolicyDocument"]["Statement"][0]["Condition"]
    named = {source["!GetAtt"] for source in allowed["ArnEquals"]["aws:SourceArn"]}
    assert named == {f"{name}.Arn" for name in resources("AWS::Events::Rule")}
    assert "aws:SourceAccount" in allowed["StringEquals"]


def test_functions_called_by_rules_say_which_rule():
    functions, called = resources("AWS::Serverless::Function"), set()
    for name, rule in resources("AWS::Events::Rule").items():
        targets = [target["Arn"]["!GetAtt"].partition(".")[0] for target in rule["Properties"]["Targets"]]
        called |= {(target, f"{name}.Arn") for target in targets if target in functions}
    permissions = [permission["Properties"] for permission in resources("AWS::Lambda::Permission").values()]
    assert {(given["FunctionName"]["!Ref"], given["SourceArn"]["!GetAtt"]) for given in permissions} == called
    assert all(given["SourceAccount"] == {"!Ref": "AWS::AccountId"} for given in permissions)


def test_the_queue_waits_longer_than_its_function_may_take():
    functions = resources("AWS::Serverless::Function")
    for name, function in functions.items():
        for event in function["Properties"].get("Events", {}).values():
            queue = event["Properties"]["Queue"]["!GetAtt"].split(".")[0]
            visible = resources("AWS::SQS::Queue")[queue]["Properties"]["VisibilityTimeout"]
            assert visible >= 6 * function["Properties"]["Timeout"], name
            assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


def test_the_reward_function_has_the_name_the_training_service_asks_for():
    reward = resources("AWS::Serverless::Function")["RewardFunction"]["Properties"]
    assert "SageMaker" in reward["FunctionName"]["!Sub"]
    assert 60 <= reward["Timeout"] <= 900
    assert "AutoPublishAlias" not in reward


def test_nothing_is_named_by_hand_but_what_a_contract_asks_for():
    named = {
        name: resource["Properties"][key]
        for name, resource in template()["Resources"].items()
        for key in ("BucketName", "TableName", "QueueName", "FunctionName", "RoleName", "TopicName", "StateMachineName",
                    "LogGroupName", "LayerName", "Name")
        if key in resource.get("Properties", {}) and resource["Type"] != "AWS::Lambda::Permission"
    }  # fmt: skip
    assert all("AWS::StackName" in json.dumps(value) for value in named.values()), named


def test_no_partition_is_written_out():
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    body = text.split("\nResources:\n", 1)[1]
    assert re.findall(r"arn:aws[:-]", body) == []


def test_every_alarm_reaches_a_topic_with_a_subscription():
    subscribed = {s["Properties"]["TopicArn"]["!Ref"] for s in resources("AWS::SNS::Subscription").values()}
    for name, alarm in resources("AWS::CloudWatch::Alarm").items():
        assert {action["!Ref"] for action in alarm["Properties"]["AlarmActions"]} <= subscribed, name


def test_a_topic_that_alarms_publish_to_has_a_key_and_a_policy_that_let_them():
    """The key that AWS keeps for topics lets no alarm in: such an alarm never reaches anybody."""
    topic = resources("AWS::SNS::Topic")["Notices"]["Properties"]
    assert topic["KmsMasterKeyId"] == {"!If": ["HasKey", {"!Ref": "KmsKeyArn"}, {"!Ref": "NoticesKey"}]}
    (key,), (policy,) = resources("AWS::KMS::Key").values(), resources("AWS::SNS::TopicPolicy").values()
    assert key["Condition"] == "NeedsKey"
    assert template()["Conditions"]["NeedsKey"] == {"!Equals": [{"!Ref": "KmsKeyArn"}, ""]}
    services = {"cloudwatch.amazonaws.com", "budgets.amazonaws.com"}
    for document in (key["Properties"]["KeyPolicy"], policy["Properties"]["PolicyDocument"]):
        (given,) = [s for s in document["Statement"] if s["Sid"] == "AlarmsAndBudgets"]
        assert set(given["Principal"]["Service"]) == services and "aws:SourceAccount" in json.dumps(given["Condition"])
    (published, _) = policy["Properties"]["PolicyDocument"]["Statement"]
    sources = published["Condition"]["ArnLike"]["aws:SourceArn"]
    assert ["${AWS::AccountId}:" in source["!Sub"] for source in sources] == [True] * len(services)
    denied = policy["Properties"]["PolicyDocument"]["Statement"][-1]
    assert denied["Effect"] == "Deny" and denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_who_publishes_to_the_topic_may_use_its_key():
    publishing = {name for name, s in statements() if "sns:Publish" in as_list(s["Action"])}
    keyed = {name for name, s in statements() if "kms:GenerateDataKey" in as_list(s["Action"])}
    assert publishing and publishing <= keyed


def test_what_must_not_go_unseen_has_an_alarm():
    alarms = [alarm["Properties"] for alarm in resources("AWS::CloudWatch::Alarm").values()]
    watched = {(a["MetricName"], json.dumps(a["Dimensions"][0]["Value"])) for a in alarms}
    for machine in resources("AWS::Serverless::StateMachine"):
        for metric in ("ExecutionsFailed", "ExecutionsTimedOut"):
            assert (metric, json.dumps({"!Ref": machine})) in watched
    aged = {value for metric, value in watched if metric == "ApproximateAgeOfOldestMessage"}
    queues = {name for name in resources("AWS::SQS::Queue") if name != "DeadLetters"}
    assert aged == {json.dumps({"!GetAtt": f"{name}.QueueName"}) for name in queues}
    assert {"TeacherThrottled", "GraderErrors"} <= {metric for metric, _ in watched}
    for alarm in alarms:
        assert alarm["TreatMissingData"] == "notBreaching" and len(str(alarm["AlarmDescription"]).split()) > 8


def dashboard():
    """The dashboard's body with every substitution filled in by its own name."""
    body = resources("AWS::CloudWatch::Dashboard")["Dashboard"]["Properties"]["DashboardBody"]["!Sub"]
    return json.loads(re.sub(r"\$\{([\w:.]+)\}", r"\1", body)), set(re.findall(r"\$\{(\w+)", body))


def test_the_dashboard_is_json_that_names_only_what_is_deployed():
    body, named = dashboard()
    known = set(template()["Resources"]) | {"AWS"}
    assert named <= known, named - known
    alarms = {name for widget in body["widgets"] for name in widget["properties"].get("alarms", [])}
    assert alarms == {f"{name}.Arn" for name in resources("AWS::CloudWatch::Alarm")}


def test_widgets_of_the_dashboard_neither_overlap_nor_leave_the_page():
    taken = set()
    for widget in dashboard()[0]["widgets"]:
        cells = {(x, y) for x in range(widget["x"], widget["x"] + widget["width"])
                 for y in range(widget["y"], widget["y"] + widget["height"])}  # fmt: skip
        assert not cells & taken and all(x < 24 for x, _ in cells), widget
        taken |= cells


def test_every_parameter_stands_in_a_group_under_a_label():
    interface = template()["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(template()["Parameters"])
    assert set(template()["Parameters"]) - {"TeacherModelArns"} <= set(interface["ParameterLabels"])


def test_a_mistake_in_what_is_typed_at_deployment_stops_it():
    parameters, rules = template()["Parameters"], template()["Rules"]
    refused = {"ContactEmail": ["", "me"], "AlarmEmail": ["me", "a@b"], "Teacher": ["", "nova pro"],
               "Student": ["Nova", ""], "EvaluatorArn": ["reward"], "KmsKeyArn": ["alias/mine"],
               "MlflowArn": ["mlflow"]}  # fmt: skip
    for name, mistakes in refused.items():
        pattern = re.compile(parameters[name]["AllowedPattern"])
        assert not any(map(pattern.fullmatch, mistakes)), name
        assert pattern.fullmatch(parameters[name].get("Default", "me@example.com")), name
    assert all(p.keys() & {"MinValue", "AllowedValues"} for p in parameters.values() if p["Type"] == "Number")
    assert rules["OnlyWhereTheWholeChainExists"]["Assertions"][0]["Assert"] == {
        "!Equals": [{"!Ref": "AWS::Region"}, "us-east-1"]
    }
    assert rules["SomebodyIsAskedForApproval"]["RuleCondition"] == {"!Equals": [{"!Ref": "RequireApproval"}, "true"]}
    registered = rules["ServerlessRewardsAreRegistered"]
    assert registered["RuleCondition"] == {"!Equals": [{"!Ref": "CustomizeOn"}, "serverless"]}
    (asked,) = registered["Assertions"]
    assert asked["Assert"] == {"!Not": [{"!Equals": [{"!Ref": "EvaluatorArn"}, ""]}]}
    unlogged = rules["BedrockLogsToNoMlflow"]
    assert unlogged["RuleCondition"] == {"!Equals": [{"!Ref": "CustomizeOn"}, "bedrock"]}
    assert unlogged["Assertions"][0]["Assert"] == {"!Equals": [{"!Ref": "MlflowArn"}, ""]}
    (asked,) = rules["SomebodyIsAskedForApproval"]["Assertions"]
    assert asked["Assert"] == {"!Not": [{"!Equals": [{"!Ref": "AlarmEmail"}, ""]}]}


def test_what_the_laptop_cannot_deploy_is_off_there_and_by_default():
    optional = {"AWS::Budgets::Budget", "AWS::Serverless::Application"}
    found = {name: r for name, r in template()["Resources"].items() if r["Type"] in optional}
    assert len(found) == len(optional)
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    chosen = "\n".join(config["local"]["deploy"]["parameters"]["parameter_overrides"])
    for name, resource in found.items():
        condition = template()["Conditions"][resource["Condition"]]
        (parameter,) = re.findall(r'"!Ref": "(\w+)"', json.dumps(condition))
        assert str(template()["Parameters"][parameter]["Default"]) in ("0", "false"), name
        assert parameter not in chosen


def test_the_assistant_is_off_unless_asked_for_and_asks_for_iam():
    function = resources("AWS::Serverless::Function")["AssistantFunction"]
    assert function["Condition"] == "HasAssistant" and template()["Parameters"]["Assistant"]["Default"] == "false"
    assert function["Properties"]["FunctionUrlConfig"] == {"AuthType": "AWS_IAM"}
    actions = {action for name, s in statements() if name == "AssistantFunction" for action in as_list(s["Action"])}
    assert actions == {"ssm:GetParameter", "bedrock:InvokeModel", "s3:GetObject", "s3:ListBucket"}


def test_every_function_folder_is_deployed_and_every_deployed_function_has_its_folder():
    deployed = {f["Properties"]["CodeUri"] for f in resources("AWS::Serverless::Function").values()}
    folders = {f"functions/{path.parent.name}" for path in (ROOT / "functions").glob("*/app.py")}
    assert deployed == folders


@pytest.mark.parametrize("name", ["crawl", "ingest", "customize"])
def test_substitutions_are_those_the_machine_uses(name):
    machine = resources("AWS::Serverless::StateMachine")[f"{name.capitalize()}Machine"]["Properties"]
    used = set(re.findall(r"\$\{(\w+)\}", (ROOT / machine["DefinitionUri"]).read_text()))
    assert used == set(machine["DefinitionSubstitutions"])
    assert machine["Tracing"] == {"Enabled": True}


@pytest.mark.parametrize("name", ["crawl", "ingest", "customize"])
def test_a_machine_may_invoke_exactly_the_functions_it_calls(name):
    logical = f"{name.capitalize()}Machine"
    called = set(re.findall(r"\$\{(\w+Function)Arn\}", json.dumps(machines()[name])))
    granted = {
        entry["!GetAtt"].split(".")[0]
        for owner, s in statements()
        if owner == logical and "lambda:InvokeFunction" in as_list(s["Action"])
        for entry in as_list(s["Resource"])
    }
    assert granted == called


def test_functions_get_the_variables_their_wiring_reads():
    shared = set(template()["Globals"]["Function"]["Environment"]["Variables"])
    package = ROOT / "layers" / "toolsmith" / "toolsmith" / "aws"
    place = set(re.findall(r'setting\("(\w+)"\)', (package / "training_place.py").read_text())) - {"AWS_REGION"}
    defaults = set(re.findall(r'(?:setting|number)\("(\w+)"', inspect.getsource(wiring.run_defaults)))
    assert place and defaults
    for name, function in resources("AWS::Serverless::Function").items():
        code = (ROOT / function["Properties"]["CodeUri"] / "app.py").read_text()
        wanted = set(re.findall(r'(?:setting|number)\(\s*"(\w+)"', code)) - {"AWS_REGION"}
        wanted |= place if "training_place" in code else set()
        wanted |= {"TEACHER"} if "wiring.teacher()" in code else set()
        wanted |= defaults if "wiring.run_defaults()" in code else set()
        given = shared | set(function["Properties"].get("Environment", {}).get("Variables", {}))
        assert wanted <= given, f"{name} reads {wanted - given}"
