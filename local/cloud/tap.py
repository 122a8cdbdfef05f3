"""The seam to MiniStack where items and messages change: each change is told, and repeated after a restart.

Everything here touches private names of MiniStack 1.5.33; tests/local/test_cloud_persistence.py covers it.
"""

from collections.abc import Callable

from local.cloud.emulator import module


def tap_items(record: Callable, changes: Callable) -> None:
    """Tell record(table ARN, hash key, sort key, item or None) of each write to a table of DynamoDB.

    changes() gives what was recorded before, to be repeated once the saved state is loaded.
    """
    service = module("services.dynamodb")
    store, remove, load = service._set_item, service._remove_item, service.load_persisted_state

    def set_item(table, hash_key, sort_key, item):
        before = store(table, hash_key, sort_key, item)
        record(table["TableArn"], hash_key, sort_key, item)
        return before

    def remove_item(table, hash_key, sort_key):
        before = remove(table, hash_key, sort_key)
        if before is not None:
            record(table["TableArn"], hash_key, sort_key, None)
        return before

    def load_state(data):
        load(data)
        tables = {table["TableArn"]: table for table in service._tables.all_values()}
        for arn, hash_key, sort_key, item in changes():
            if arn in tables and item is None:
                remove(tables[arn], hash_key, sort_key)
            elif arn in tables:
                store(tables[arn], hash_key, sort_key, item)

    service._set_item, service._remove_item, service.load_persisted_state = set_item, remove_item, load_state


def tap_messages(record: Callable, changes: Callable) -> None:
    """Tell record(queue ARN, message or None, its id) of each message that SQS takes, hands out or deletes.

    changes() gives what was recorded before, to be repeated once the saved state is loaded.
    """
    service, bridge, topics = module("services.sqs"), module("services.eventbridge"), module("services.sns")
    functions = module("services.lambda_svc")
    tap = _Messages(record, service)
    service._collect_msgs = tap.handed_out(service._collect_msgs)
    service._act_send_message = tap.put(service._act_send_message, tap.of_request)
    bridge._dispatch_to_sqs = tap.put(bridge._dispatch_to_sqs, tap.of_target)
    topics._deliver_to_sqs = tap.put(topics._deliver_to_sqs, tap.of_target)
    functions._route_async_failure = tap.put(functions._route_async_failure, tap.of_target)
    service._act_delete_message = tap.deleted(service._act_delete_message, tap.of_request)
    service._act_delete_message_batch = tap.deleted(service._act_delete_message_batch, tap.of_request)
    service._delete_messages_for_esm = tap.deleted(service._delete_messages_for_esm, tap.of_address)
    service._HANDLERS.update(
        SendMessage=service._act_send_message,
        DeleteMessage=service._act_delete_message,
        DeleteMessageBatch=service._act_delete_message_batch,
    )
    load = service.load_persisted_state

    def load_state(data):
        load(data)
        queues = {_arn(queue): queue for queue in service._queues.all_values()}
        held = {arn: {message["id"]: message for message in queue["messages"]} for arn, queue in queues.items()}
        for arn, message, name in changes():
            if arn in held and message is None:
                held[arn].pop(name, None)
            elif arn in held:
                held[arn][name] = message
        for arn, queue in queues.items():
            queue["messages"] = list(held[arn].values())

    service.load_persisted_state = load_state


class _Messages:
    """Wraps functions that change a queue's messages so that they tell of it."""

    def __init__(self, record: Callable, service) -> None:
        self._record, self._service = record, service

    def of_request(self, data: dict, url: str) -> dict:
        return self._service._get_q(data.get("QueueUrl", url))

    def of_address(self, url: str, handles) -> dict:
        return self._service._get_q(url)

    def of_target(self, arn, *more, **named) -> dict | None:
        return self._service._queue_by_arn(str(arn))

    def put(self, function: Callable, queue_of: Callable) -> Callable:
        def told(*args, **named):
            queue = queue_of(*args, **named)
            held = len(queue["messages"]) if queue else 0
            result = function(*args, **named)
            for message in queue["messages"][held:] if queue else []:
                self._record(_arn(queue), message, message["id"])
            return result

        return told

    def handed_out(self, function: Callable) -> Callable:
        def told(queue, *more):
            found = function(queue, *more)
            for message in found:
                self._record(_arn(queue), message, message["id"])
            return found

        return told

    def deleted(self, function: Callable, queue_of: Callable) -> Callable:
        def told(request, more):
            queue, handles = queue_of(request, more), _handles(request, more)
            gone = [m["id"] for m in queue["messages"] if m.get("receipt_handle") in handles]
            result = function(request, more)
            for name in gone:
                self._record(_arn(queue), None, name)
            return result

        return told


def _handles(request, more) -> set[str]:
    """The receipt handles named by a request, by its entries, or beside a queue's address."""
    if not isinstance(request, dict):
        return set(more)
    return {entry.get("ReceiptHandle") for entry in [request, *request.get("Entries", [])]} - {None}


def _arn(queue: dict) -> str:
    return queue["attributes"]["QueueArn"]
