"""Objects of a bucket that keeps versions: events name the version, and it outlives a kill."""

import json

import pytest

from tests.local.cloud_harness import client, make_cloud, received


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with make_cloud(tmp_path_factory.mktemp("cloud")) as made:
        s3 = client(made, "s3")
        s3.create_bucket(Bucket="versions")
        s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket="versions", NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        yield made


@pytest.fixture(scope="module")
def queue(cloud):
    sqs, events = client(cloud, "sqs"), client(cloud, "events")
    address = sqs.create_queue(QueueName="objects")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=address, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = events.put_rule(Name="objects", EventPattern=json.dumps({"source": ["aws.s3"]}))["RuleArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
                 "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": rule}}}  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=address, Attributes={"Policy": policy})
    events.put_targets(Rule="objects", Targets=[{"Id": "queue", "Arn": arn}])
    return address


def test_the_same_content_put_again_is_an_event_of_another_version(cloud, queue):
    put = client(cloud, "s3").put_object
    versions = [put(Bucket="versions", Key="a", Body=b"words")["VersionId"] for _ in range(2)]
    told = [received(cloud, queue)["detail"]["object"] for _ in range(2)]
    assert sorted(one["version-id"] for one in told) == sorted(versions)
    assert len({one["etag"] for one in told}) == 1


def test_a_version_can_be_read_after_a_kill_right_after_the_put(cloud, queue):
    s3 = client(cloud, "s3")
    first, last = (s3.put_object(Bucket="versions", Key="b", Body=words)["VersionId"] for words in (b"one", b"two"))
    cloud.kill()
    cloud.start()
    read = [s3.get_object(Bucket="versions", Key="b", VersionId=each)["Body"].read() for each in (first, last)]
    assert read == [b"one", b"two"]
