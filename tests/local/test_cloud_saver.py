"""What a request makes stale on disk, and what is written down at once."""

import pytest

from local.cloud.persistence import changed_by
from local.cloud.redo import RedoLog

SIGNED = "AWS4-HMAC-SHA256 Credential=KEY/20261122/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"


@pytest.mark.parametrize(
    ("service", "method", "path", "target", "expected"),
    [
        ("dynamodb", "POST", "/", "DynamoDB_20120810.PutItem", None),
        ("dynamodb", "POST", "/", "DynamoDB_20120810.CreateTable", "dynamodb"),
        ("dynamodb", "POST", "/", "DynamoDB_20120810.UpdateTimeToLive", "dynamodb"),
        ("sqs", "POST", "/", "AmazonSQS.SendMessageBatch", None),
        ("sqs", "POST", "/", "AmazonSQS.DeleteQueue", "sqs"),
        ("sqs", "POST", "/", "AmazonSQS.PurgeQueue", "sqs"),
        ("dynamodb", "POST", "/", "DynamoDB_20120810.Query", None),
        ("events", "POST", "/", "AWSEvents.PutRule", "eventbridge"),
        ("logs", "POST", "/", "Logs_20140328.PutLogEvents", "cloudwatch_logs"),
        ("ssm", "POST", "/", "AmazonSSM.GetParameter", None),
        ("s3", "PUT", "/bucket", "", "s3"),
        ("s3", "PUT", "/bucket/key", "", None),
        ("lambda", "POST", "/2015-03-31/functions", "", "lambda"),
        ("lambda", "POST", "/2015-03-31/functions/f/invocations", "", None),
        ("states", "POST", "/", "AWSStepFunctions.StartExecution", None),
        ("s3", "GET", "/bucket", "", None),
    ],
)
def test_a_request_marks_what_it_changes(service, method, path, target, expected):
    assert changed_by(method, path, SIGNED.format(service), target) == expected


def test_an_unsigned_request_marks_nothing():
    assert changed_by("POST", "/", "", "DynamoDB_20120810.CreateTable") is None


def test_a_redo_log_repeats_all_in_order_and_forgets_what_a_snapshot_holds(tmp_path):
    log = RedoLog(tmp_path, "dynamodb")
    log.append("table", "a", None)
    log.append("table", "b", {"n": 1})
    assert list(RedoLog(tmp_path, "dynamodb").changes()) == [["table", "a", None], ["table", "b", {"n": 1}]]
    drop = log.cut()
    log.append("table", "c", {"n": 2})
    assert [key for _, key, _ in log.changes()] == ["a", "b", "c"], "until the snapshot is safe all is kept"
    drop()
    again = RedoLog(tmp_path, "dynamodb")
    assert ([key for _, key, _ in again.changes()], again.size) == (["c"], log.size)
    again.append("table", "d", None)
    assert [key for _, key, _ in again.changes()] == ["c", "d"]


def test_a_line_that_a_kill_cut_short_is_left_out(tmp_path):
    log = RedoLog(tmp_path, "sqs")
    log.append("queue", {"id": "1"}, "1")
    [path] = tmp_path.glob("sqs.redo.*")
    path.write_bytes(path.read_bytes() + b'["queue",{"id":')
    again = RedoLog(tmp_path, "sqs")
    again.append("queue", None, "1")
    assert list(again.changes()) == [["queue", {"id": "1"}, "1"], ["queue", None, "1"]]
