"""Reads a training job's manifest."""

import io
import json
import tarfile

import boto3

s3 = boto3.client("s3")


def handler(event, context):
    packed = s3.get_object(Bucket=event["bucket"], Key=f"out/{event['job']}/output/output.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
    return {"checkpoint": manifest["checkpoint_s3_bucket"]}
