"""Run by a throwaway interpreter that has one `sagemaker` SDK: sends our recipe through it, prints what it would send.

No network: every call of botocore is answered here. stdin: one JSON object a line {"recipe", "image", "role", "output",
"instance_type", "instance_count", "seconds", "region", "channels": {name: {"uri", "type"}}, "name"}; stdout: one JSON
object a line {"sdk", "request", "recipe": text the SDK uploaded}.
"""

import contextlib
import datetime
import functools
import json
import os
import socket
import sys
import tempfile
from pathlib import Path

HOME = Path(tempfile.mkdtemp())
(HOME / "config.yaml").write_text(
    'SchemaVersion: "1.0"\nSageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}\n', encoding="utf-8"
)
os.environ.update(
    AWS_ACCESS_KEY_ID="offline", AWS_SECRET_ACCESS_KEY="offline", AWS_EC2_METADATA_DISABLED="true",
    AWS_DEFAULT_REGION="us-east-1", SAGEMAKER_SUPPRESS_V2_WARNING="1",
    AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    SAGEMAKER_ADMIN_CONFIG_OVERRIDE=str(HOME / "config.yaml"),
    SAGEMAKER_USER_CONFIG_OVERRIDE=str(HOME / "config.yaml"),
)  # fmt: skip


def _no_network(*_arguments, **_options):
    raise OSError("this process has no network")


socket.getaddrinfo = _no_network

import botocore.client  # noqa: E402
from botocore.validate import ParamValidator  # noqa: E402

ACCOUNT, BUCKET = "111122223333", "sagemaker-us-east-1-111122223333"


class Stop(Exception):
    """Raised once the request has been seen; nothing after it matters."""


class Recorder:
    """Stands in for the service: remembers the request and the uploaded recipe."""

    def __init__(self):
        self.request, self.recipe = None, None

    def call(self, client, operation, parameters):
        if operation == "CreateTrainingJob":
            shape = client.meta.service_model.operation_model(operation).input_shape
            report = ParamValidator().validate(parameters, shape)
            if report.has_errors():
                raise ValueError(report.generate_report())
            self.request = parameters
            raise Stop
        if operation == "PutObject":
            body = parameters["Body"]
            self.recipe = (body if isinstance(body, bytes) else body.read()).decode()
            return {"ETag": '"0"'}
        answers = {
            "GetCallerIdentity": {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/offline"},
            "ListBuckets": {"Buckets": [{"Name": BUCKET, "CreationDate": datetime.datetime(2026, 1, 1)}]},
            "GetRole": {"Role": {"Arn": f"arn:aws:iam::{ACCOUNT}:role/Training"}},
        }
        return answers.get(operation, {})


@functools.cache
def second_session(region):
    import boto3
    import sagemaker

    return sagemaker.Session(boto3.Session(region_name=region), default_bucket=BUCKET)


@functools.cache
def third_session(region):
    import boto3
    from sagemaker.core.helper.session_helper import Session

    return Session(boto3.Session(region_name=region), default_bucket=BUCKET)


def second(asked, path):
    """sagemaker 2.x: the PyTorch estimator with a training recipe."""
    from sagemaker.debugger import TensorBoardOutputConfig
    from sagemaker.inputs import TrainingInput
    from sagemaker.pytorch import PyTorch

    estimator = PyTorch(
        base_job_name=asked["name"], output_path=asked["output"], role=asked["role"], training_recipe=str(path),
        image_uri=asked["image"], instance_type=asked["instance_type"], instance_count=asked["instance_count"],
        max_run=asked["seconds"], sagemaker_session=second_session(asked["region"]), disable_profiler=True,
        debugger_hook_config=False,
        tensorboard_output_config=TensorBoardOutputConfig(s3_output_path=asked["output"]),
    )  # fmt: skip
    inputs = {
        name: TrainingInput(channel["uri"], s3_data_type=channel["type"]) for name, channel in asked["channels"].items()
    }
    estimator.fit(inputs=inputs, wait=False)


def third(asked, path):
    """sagemaker 3.x: ModelTrainer.from_recipe."""
    from sagemaker.train import ModelTrainer
    from sagemaker.train.configs import (
        Compute,
        InputData,
        OutputDataConfig,
        S3DataSource,
        StoppingCondition,
        TensorBoardOutputConfig,
    )

    trainer = ModelTrainer.from_recipe(
        training_recipe=str(path), training_image=asked["image"], role=asked["role"],
        sagemaker_session=third_session(asked["region"]),
        compute=Compute(instance_type=asked["instance_type"], instance_count=asked["instance_count"]),
        output_data_config=OutputDataConfig(s3_output_path=asked["output"]), base_job_name=asked["name"],
        stopping_condition=StoppingCondition(max_runtime_in_seconds=asked["seconds"]),
    ).with_tensorboard_output_config(TensorBoardOutputConfig(s3_output_path=asked["output"]))  # fmt: skip
    data = [
        InputData(
            channel_name=name,
            data_source=S3DataSource(
                s3_data_type=channel["type"], s3_uri=channel["uri"], s3_data_distribution_type="FullyReplicated"
            ),
        )
        for name, channel in asked["channels"].items()
    ]
    trainer.train(input_data_config=data or None, wait=False)


def main() -> None:
    from importlib.metadata import version

    sdk = version("sagemaker")
    send = second if sdk.startswith("2.") else third
    for line in sys.stdin:
        asked, recorder = json.loads(line), Recorder()

        def answer(client, operation, parameters, seen=recorder):
            return seen.call(client, operation, parameters)

        botocore.client.BaseClient._make_api_call = answer
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{asked['name']}.yaml"
            path.write_text(asked["recipe"], encoding="utf-8")
            with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(Stop):
                send(asked, path)
        print(json.dumps({"sdk": sdk, "request": recorder.request, "recipe": recorder.recipe}), flush=True)


if __name__ == "__main__":
    main()
