"""The example consumers on a real cloud: deployed beside the bus they listen to, each gets the event it asks for.

The emulator's CloudFormation knows neither connections nor API destinations, so those two are made through the API of
EventBridge, with the template's own properties; and Slack is a server of this test.
"""

import http.server
import json
import threading
import time

import pytest

from tests.local.cloud_harness import ROOT, client, make_cloud, make_role, received, until
from tests.template.loading import template
from tests.unit.test_events import generate

PATH = "events/consumers.template.yaml"
BUS, STACK = "somebodys-stack", "listeners"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with make_cloud(tmp_path_factory.mktemp("cloud")) as made:
        client(made, "events").create_event_bus(Name=BUS)
        yield made


@pytest.fixture(scope="module")
def outputs(cloud):
    formation = client(cloud, "cloudformation")
    formation.create_stack(
        StackName=STACK, TemplateBody=(ROOT / PATH).read_text(encoding="utf-8"), Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": "BusName", "ParameterValue": BUS}],
    )  # fmt: skip
    until(lambda: formation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    stack = formation.describe_stacks(StackName=STACK)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def publish(cloud, detail_type):
    """Put the committed sample of an event on the bus; its detail."""
    detail = generate.sample(detail_type)["detail"]
    entry = {"EventBusName": BUS, "Source": "toolsmith", "DetailType": detail_type, "Detail": json.dumps(detail)}
    assert client(cloud, "events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    return detail


def test_the_queue_gets_what_bears_on_runs_and_nothing_of_documents(cloud, outputs):
    publish(cloud, "Document Ingested")
    detail = publish(cloud, "Gate Passed")
    event = received(cloud, outputs["QueueUrl"])
    assert (event["detail-type"], event["detail"]) == ("Gate Passed", detail)


def test_the_function_is_called_with_the_model_that_was_registered(cloud, outputs):
    warmed = {"FunctionName": outputs["FunctionName"], "Payload": json.dumps(generate.sample("Model Registered"))}
    until(lambda: "FunctionError" not in client(cloud, "lambda").invoke(**warmed), 60)
    detail = publish(cloud, "Model Registered")
    group, logs = f"/aws/lambda/{outputs['FunctionName']}", client(cloud, "logs")

    def said():
        time.sleep(0.5)
        groups = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        events = logs.filter_log_events(logGroupName=group)["events"] if groups else []
        return [event["message"] for event in events if detail["deployment_arn"] in event["message"]]

    assert until(lambda: len(said()) > 1, 120), "once by hand, once by the rule"


@pytest.fixture
def webhook():
    """A server that answers like an incoming webhook; its address, and the requests it got as (headers, body)."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/services/T/B/x", got
    server.shutdown()
    server.server_close()


def listen(cloud, rule, destination, role):
    """Put one of the template's rules on the bus, its target resolved to what was made here."""
    events, (target,) = client(cloud, "events"), rule["Targets"]
    events.put_rule(Name=target["Id"], EventBusName=BUS, EventPattern=json.dumps(rule["EventPattern"]))
    kept = {"Id": target["Id"], "InputTransformer": target["InputTransformer"]}
    events.put_targets(Rule=target["Id"], EventBusName=BUS, Targets=[{**kept, "Arn": destination, "RoleArn": role}])


@pytest.mark.parametrize(
    ("name", "detail_type", "fields"),
    [("RegisteredToSlack", "Model Registered", ("run", "verdict", "report")),
     ("FailedToSlack", "Run Failed", ("execution", "error", "remedy"))],
)  # fmt: skip
def test_slack_is_posted_a_message_with_every_field(cloud, webhook, name, detail_type, fields):
    address, got = webhook
    resources, events = template(PATH)["Resources"], client(cloud, "events")
    authorization = resources["SlackConnection"]["Properties"]
    connection = events.create_connection(Name=f"{name}-connection", **authorization)["ConnectionArn"]
    properties = resources["Slack"]["Properties"]
    asked = {key: properties[key] for key in ("HttpMethod", "InvocationRateLimitPerSecond")}
    made = events.create_api_destination(
        Name=f"{name}-destination", ConnectionArn=connection, InvocationEndpoint=address, **asked
    )["ApiDestinationArn"]
    role = make_role(cloud, f"{name}-role", "events.amazonaws.com", ("events:InvokeApiDestination", made))
    listen(cloud, resources[name]["Properties"], made, role)
    detail = publish(cloud, detail_type)
    headers, body = until(lambda: got)[0]
    text = json.loads(body)["text"]
    assert all(detail[field] in text for field in fields)
    assert headers["X-Sent-By"] == "toolsmith" and headers["Content-Type"].startswith("application/json")
    events.remove_targets(Rule="slack", EventBusName=BUS, Ids=["slack"])
