"""The seam to MiniStack: how it is configured, what is mounted on it, what is asked of it (see tap.py as well).

MiniStack 1.5.33 is imported untouched. It reads its configuration from the environment while it is
imported, so one process holds one emulator. Everything below that touches a private name of it is
covered by a test in tests/local, and pins.py refuses any other version.
"""

import contextvars
import copy
import importlib
import json
import os
import types
from collections.abc import Callable

from local.cloud.settings import ACCOUNT, REGION, Settings

_target: contextvars.ContextVar[dict | None] = contextvars.ContextVar("eventbridge_target", default=None)
_version: contextvars.ContextVar[str | None] = contextvars.ContextVar("s3_version", default=None)


def configure(settings: Settings) -> None:
    """Set the environment MiniStack reads at import. Nothing of the host's AWS settings stays."""
    for name in [n for n in os.environ if n.startswith(("AWS_", "LOCALSTACK_", "MINISTACK_"))]:
        del os.environ[name]
    os.environ.update(
        AUTH="true",
        AWS_DEFAULT_REGION=REGION,
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(settings.port),
        IOT_MTLS_ENABLED="0",
        LAMBDA_EXECUTOR="local",
        LOG_LEVEL=os.environ.get("LOG_LEVEL", "WARNING"),
        MINISTACK_ACCOUNT_ID=ACCOUNT,
        MINISTACK_HOST="127.0.0.1",
        MINISTACK_REGION=REGION,
        PERSIST_STATE="1",
        S3_DATA_DIR=str(settings.data / "s3"),
        S3_PERSIST="1",
        SFTP_ENABLED="0",
        STATE_DIR=str(settings.data / "state"),
    )
    os.environ.pop("SERVICES", None)


def module(name: str):
    """MiniStack's module `name`, imported when first asked for."""
    return importlib.import_module(f"ministack.{name}")


def application():
    """The ASGI application."""
    return module("app").app


def mount(service: str, handler: Callable, scope: str = "", target: str = "", aliases: tuple = ()) -> None:
    """Answer `service` with `handler(method, path, headers, body, query)`, an async function.

    scope: its SigV4 signing name; target: prefix of X-Amz-Target. Both only for services MiniStack lacks.
    """
    for name in (service, *aliases):
        module("app").SERVICE_HANDLERS[name] = handler
    if scope:
        pattern = {"target_prefixes": [target], "host_patterns": [], "credential_scope": scope}
        module("core.router").SERVICE_PATTERNS[scope] = pattern
        module("app").SERVICE_HANDLERS[scope] = handler
        module("core.iam_actions").SERVICE_TO_IAM_NAMESPACE[scope] = scope


def authorize_with(action_of: Callable, resource_of: Callable, denial_of: Callable) -> None:
    """Let our services name their own IAM actions, resources and denials.

    action_of(service, action) -> action; resource_of(service, action, path, body) -> ARN or None for
    MiniStack's own answer; denial_of(service, action, principal, resource, explicit) -> text or None.
    """
    actions = module("core.iam_actions")
    own_action, own_resource = actions.extract_iam_action, actions.extract_resource_arn
    own_denial = actions.access_denied_response

    def extract_iam_action(service, *request):
        found = own_action(service, *request)
        return action_of(service, found) if found else found

    def extract_resource_arn(service, method, path, headers, body, query, region, account):
        action = extract_iam_action(service, method, path, headers, body, query)
        found = resource_of(service, action, path, body)
        return found or own_resource(service, method, path, headers, body, query, region, account)

    def access_denied_response(service, action, principal, request, **options):
        if not options.get("message") and not options.get("error_code"):
            resource, explicit = options.get("resource_arn", "*"), options.get("explicit_deny", False)
            text = denial_of(service, action, principal, resource, explicit)
            options = {**options, "message": text} if text else options
        return own_denial(service, action, principal, request, **options)

    actions.extract_iam_action = extract_iam_action
    actions.extract_resource_arn = extract_resource_arn
    actions.access_denied_response = access_denied_response


def may(headers: dict, query: dict, action: str, resource: str, context: dict[str, str]) -> bool:
    """Whether the caller of the request in progress may do one more thing, for example iam:PassRole.

    context: condition keys of that thing, for example {"iam:PassedToService": "bedrock.amazonaws.com"}.
    """
    return key_may(module("core.router").extract_access_key_id(headers, query), action, resource, context)


def key_may(key: str, action: str, resource: str, context: dict[str, str]) -> bool:
    """Whether the bearer of an access key may do a thing."""
    enforce = module("core.iam_evaluator").enforce
    return enforce(key, action, "iam", REGION, resource_arn=resource, service_context=context) is None


def caller(headers: dict, query: dict) -> str:
    """ARN of the caller of the request in progress."""
    return module("core.iam_evaluator").request_caller_arn(headers, query)


def register_session(key: str, secret: str, token: str | None, arn: str) -> None:
    """Make credentials known to the enforcement: temporary ones of a role, or the root's (without token)."""
    session = {"Arn": arn, "UserId": arn.rsplit("/", 1)[-1], "SecretAccessKey": secret, "SessionToken": token}
    module("services.sts").register_session(key, session)


def guessable(key: str) -> bool:
    """Whether MiniStack takes an access key for the root without looking at the signature."""
    return module("core.iam_evaluator").is_root_access_key(key)


def emit(source: str, detail_type: str, detail: str, resources: list[str]) -> None:
    """Put an event of an AWS service (source "aws.*") on the default bus."""
    entry = {"Source": source, "DetailType": detail_type, "Detail": detail, "Resources": resources}
    module("services.eventbridge")._put_events({"Entries": [entry]}, allow_aws_source=True)


def run_functions_with(execute: Callable, log: Callable) -> None:
    """Replace the function executor.

    execute(func, event, request_id) -> {"body", "log", "error"?, "function_error"?, "log_source"?};
    log(func, request_id, text, error, duration_ms, log_source=...) writes the invocation's log.
    """
    service = module("services.lambda_svc")
    service._execute_function_warm = execute
    service._emit_lambda_logs = log


def layer_zip(attachment) -> bytes | None:
    """The archive of an attached layer version."""
    return module("services.lambda_svc")._resolve_layer_zip(attachment)


def throttled(message: str) -> dict:
    """An executor's answer that becomes TooManyRequestsException."""
    return module("services.lambda_svc")._throttle_response(
        reason_code="ConcurrentInvocationLimitExceeded", msg=message
    )


def append_log(group: str, stream: str, messages: list[tuple[int, str]]) -> None:
    """Append (milliseconds, message) lines to a log stream, creating group and stream."""
    logs = module("services.cloudwatch_logs")
    now = messages[0][0] if messages else 0
    if group not in logs._log_groups:
        logs._create_log_group({"logGroupName": group})
    streams = logs._log_groups[group]["streams"]
    if stream not in streams:
        logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    events = [{"timestamp": at, "message": text, "ingestionTime": now} for at, text in messages]
    logs._append_log_events(streams[stream], events)


def start_machines_with(start: Callable) -> None:
    """Deliver EventBridge targets that are state machines to start(arn, input, target)."""
    bridge = module("services.eventbridge")
    invoke = bridge._invoke_target

    def invoke_target(target, *args):
        token = _target.set(target)
        try:
            return invoke(target, *args)
        finally:
            _target.reset(token)

    bridge._invoke_target = invoke_target
    bridge._dispatch_to_stepfunctions = lambda arn, payload: start(arn, payload, _target.get() or {})


def retry_functions() -> None:
    """Invoke functions that are EventBridge targets asynchronously: two more tries, then the function's dead letters.

    MiniStack calls them once from EventBridge; as asynchronous calls of its API it treats them right.
    """
    bridge, service = module("services.eventbridge"), module("services.lambda_svc")
    call_once = bridge._dispatch_to_lambda

    def dispatch(arn, payload):
        function, config, _ = service._get_func_record_for_ref(arn)
        if not (function and config):
            return call_once(arn, payload)  # says that there is no such function
        called = service._execution_record_for_config(function, config)
        return service.invoke_async_with_retry(called, json.loads(payload))

    bridge._dispatch_to_lambda = dispatch


def alarms(namespace: str) -> list[dict]:
    """The alarms over metrics of a namespace, as DescribeAlarms answers them."""
    return [dict(each) for each in module("services.cloudwatch")._alarms.values() if each.get("Namespace") == namespace]


def change_alarm(name: str, state: str, reason: str) -> None:
    """Put an alarm into a state; its actions for that state are done."""
    wish = {"AlarmName": name, "StateValue": state, "StateReason": reason}
    module("services.cloudwatch")._set_alarm_state({}, wish, False, is_json=True)


def mail_with(deliver: Callable[[str, str, str, str], None]) -> None:
    """Let deliver(address, topic ARN, subject, text) take what a topic mails; MiniStack only notes that it would."""
    topics = module("services.sns")
    fan_out = topics._fanout

    def fan_out_and_mail(topic_arn, message_id, message, subject, structure="", attributes=None, *more, **named):
        topic = topics._topic_by_arn_any_scope(topic_arn) or {"subscriptions": []}
        for each in topic["subscriptions"]:
            if each.get("confirmed") and each.get("protocol") == "email":
                text = topics._resolve_message_for_protocol(message, structure, "email")
                if topics._matches_filter_policy(each, attributes or {}, text):
                    deliver(each["endpoint"], topic_arn, subject, text)
        return fan_out(topic_arn, message_id, message, subject, structure, attributes, *more, **named)

    topics._fanout = fan_out_and_mail


def serve_function_urls_at(endpoint: str) -> None:
    """Give function URLs an address of this cloud; MiniStack serves them below such a path, and names them as AWS does.

    Requests are authorised as on AWS: a signature that holds, of somebody who may call lambda:InvokeFunctionUrl.
    """
    service = module("services.lambda_svc")
    create, path = service._create_function_url_config, "/_aws/lambda-url/"

    def create_here(name: str, data: dict, qualifier: str | None):
        status, headers, body = create(name, data, qualifier)
        made = json.loads(body)
        if status < 300:
            made["FunctionUrl"] = f"{endpoint}{path}{identifier(made['FunctionUrl'])}/"
            service._function_urls[service._url_config_key(name, qualifier)]["FunctionUrl"] = made["FunctionUrl"]
        return status, headers, json.dumps(made).encode()

    def identifier(url: str) -> str:
        return url.partition(path)[2].strip("/") or url.partition("://")[2].partition(".")[0]

    service._create_function_url_config, service._function_url_id = create_here, identifier


def name_versions() -> None:
    """Name the version of an object in S3's events on the bus, as S3 does for buckets that keep versions.

    Without it a file dropped again with the same content could not be told from a redelivered event.
    """
    storage, bridge = module("services.s3"), module("services.eventbridge")
    fire, dispatch = storage._fire_s3_event, bridge._dispatch_event

    def fire_event(*args, version_id: str | None = None, **more):
        token = _version.set(version_id)
        try:
            return fire(*args, version_id=version_id, **more)
        finally:
            _version.reset(token)

    def dispatch_event(event, *args, **more):
        if _version.get() and event["Source"] == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = _version.get()
            event = {**event, "Detail": json.dumps(detail)}
        return dispatch(event, *args, **more)

    storage._fire_s3_event, bridge._dispatch_event = fire_event, dispatch_event


def resource_type(name: str, create: Callable, update: Callable, delete: Callable) -> None:
    """Teach CloudFormation a resource type.

    create(logical_id, properties, stack) and update(physical_id, old, new, stack, logical_id) return
    (physical id, attributes); delete(physical_id, properties). They run on the event loop: no HTTP.
    """
    module("services.cloudformation.provisioners")._RESOURCE_HANDLERS[name] = {
        "create": create,
        "update": update,
        "update_with_logical_id": True,
        "delete": delete,
    }


def object_text(bucket: str, key: str, version: str | None = None) -> str:
    """The text of an S3 object, read inside the process. Raises FileNotFoundError."""
    data = module("services.s3")._get_object_data(bucket, key, version_id=version)
    if data is None:
        raise FileNotFoundError(f"s3://{bucket}/{key}")
    return data.decode()


def state_readers() -> dict[str, Callable]:
    """{state file: function returning the service's state} of every service in use."""
    return module("app")._build_persistence_save_dict()


def state_text(name: str, reader: Callable) -> str | None:
    """A service's state in MiniStack's own file format, or None when it has nothing to tell.

    Must run where nothing changes the state meanwhile (the event loop). MiniStack's own writer encodes piece by
    piece in Python, ten times slower than this.
    """
    state = _without_copies(reader)() if name in _UNCOPIED else reader()
    if state is None:
        return None
    persistence = module("core.persistence")
    content = {"__ministack_format__": persistence._state_format_version(name), "payload": state}
    return json.dumps(content, default=persistence._json_default)


# Written often, possibly large, and read by functions that change nothing in what they return.
_UNCOPIED = ("dynamodb", "sqs")


def _without_copies(reader: Callable) -> Callable:
    """The same function, reading the live state instead of a deep copy of it."""
    live = {**reader.__globals__, "copy": types.SimpleNamespace(deepcopy=lambda value: value, copy=copy.copy)}
    return types.FunctionType(reader.__code__, live, reader.__name__, reader.__defaults__, reader.__closure__)


def save_at_stop_with(save: Callable[[dict[str, Callable]], None]) -> None:
    """Let save(state readers) write everything at a clean stop."""
    module("app").save_all = save


def stacks() -> dict[str, str]:
    """Status and last change of every CloudFormation stack."""
    known = module("services.cloudformation")._stacks._data
    return {
        str(key): f"{stack.get('StackStatus')} {stack.get('LastUpdatedTime')}" for key, stack in list(known.items())
    }
