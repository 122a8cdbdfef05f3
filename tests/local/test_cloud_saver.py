"""What a request makes stale on disk."""

import pytest

from local.cloud.persistence import changed_by

SIGNED = "AWS4-HMAC-SHA256 Credential=KEY/20261122/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"


@pytest.mark.parametrize(
    ("service", "method", "path", "target", "expected"),
    [
        ("dynamodb", "POST", "/", "DynamoDB_20120810.PutItem", "dynamodb"),
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
    assert changed_by("POST", "/", "", "DynamoDB_20120810.PutItem") is None
