"""Batch inference: CreateModelInvocationJob over S3, in the Converse format, really answered by the model.

Layout of input and output: docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-results.html
"""

import concurrent.futures
import json
import logging
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError

from local.cloud import s3io
from local.cloud.bedrock_runtime import BedrockRuntime
from local.cloud.custom_models import PRINCIPAL, missing
from local.cloud.errors import ApiError
from local.cloud.gateway import new_id
from local.cloud.identity import Identities
from local.cloud.records import Records
from local.cloud.settings import ACCOUNT, REGION, Settings
from local.cloud.wire import iso

logger = logging.getLogger("local.cloud.invocation_jobs")

_TIMES = ("submitTime", "lastModifiedTime", "endTime", "jobExpirationTime")
_OPEN = ("Submitted", "Validating", "Scheduled", "InProgress")
_PARALLEL = 8


class InvocationJobs:
    """Jobs run one after another; an unfinished job starts again after a restart."""

    def __init__(self, settings: Settings, identities: Identities, runtime: BedrockRuntime) -> None:
        self._identities = identities
        self._runtime = runtime
        self._jobs = Records(settings.data / "bedrock" / "jobs")
        self._turn = threading.Semaphore(1)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.actions = {
            "CreateModelInvocationJob": self._create,
            "GetModelInvocationJob": self._get,
            "ListModelInvocationJobs": self._list,
            "StopModelInvocationJob": self._stop,
        }

    def find(self, arn: str) -> dict | None:
        return self._jobs.get(arn) or self._jobs.get(f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-invocation-job/{arn}")

    def resume(self) -> None:
        for job in self._jobs.all():
            if job["status"] in _OPEN:
                self._start(job["jobArn"])

    def close(self) -> None:
        self._closing.set()

    def _create(self, params: dict) -> dict:
        if params.get("modelInvocationType") != "Converse":
            raise ApiError("ValidationException", "The local batch inference takes modelInvocationType Converse only.")
        token = params.get("clientRequestToken")
        with self._lock:
            for job in self._jobs.all():
                if token and job.get("clientRequestToken") == token:
                    return {"jobArn": job["jobArn"]}
                if job["jobName"] == params["jobName"]:
                    raise ApiError("ConflictException", f"The job name {params['jobName']} is already in use.")
            self._identities.require_trust(params["roleArn"], PRINCIPAL)
            arn = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-invocation-job/{new_id()}"
            now = time.time()
            hours = params.get("timeoutDurationInHours", 24)
            kept = {key: value for key, value in params.items() if key != "tags"}
            self._jobs.put(arn, {**kept, "jobArn": arn, "status": "Submitted", "submitTime": now,
                                 "lastModifiedTime": now, "jobExpirationTime": now + hours * 3600})  # fmt: skip
        self._start(arn)
        return {"jobArn": arn}

    def _start(self, arn: str) -> None:
        threading.Thread(target=self._work, args=(arn,), name=f"batch-{arn[-12:]}", daemon=True).start()

    def _work(self, arn: str) -> None:
        with self._turn:
            try:
                if self._open(arn):
                    self._run(arn, self._jobs.get(arn))
            except (ApiError, ClientError, BotoCoreError, ValueError) as error:
                self._enter(arn, "Failed", message=str(error), endTime=time.time())
            except Exception as error:
                logger.exception("batch job %s", arn)
                self._enter(arn, "Failed", message=f"internal error: {error}", endTime=time.time())

    def _open(self, arn: str) -> bool:
        return not self._closing.is_set() and self._jobs.get(arn)["status"] in _OPEN

    def _enter(self, arn: str, status: str, **fields) -> None:
        self._jobs.change(arn, status=status, lastModifiedTime=time.time(), **fields)

    def _run(self, arn: str, job: dict) -> None:
        self._enter(arn, "Validating")
        client = self._identities.client("s3", job["roleArn"], "Bedrock")
        source = job["inputDataConfig"]["s3InputDataConfig"]["s3Uri"]
        bucket, _ = s3io.split(source)
        files = [key for key in s3io.keys(client, source) if key.endswith(".jsonl")]
        if not files:
            raise ValueError(f"no .jsonl file under {source}")
        loaded = {key: _records(key, client.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in files}
        self._enter(arn, "InProgress", totalRecordCount=sum(map(len, loaded.values())))
        target = job["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"].rstrip("/") + "/" + arn.rpartition("/")[2]
        out_bucket, out_prefix = s3io.split(target)
        counts = {"totalRecordCount": 0, "processedRecordCount": 0, "successRecordCount": 0, "errorRecordCount": 0,
                  "inputTokenCount": 0, "outputTokenCount": 0}  # fmt: skip
        for key, records in loaded.items():
            lines = self._answer_all(arn, job["modelId"], records)
            if not self._open(arn):
                return
            _count(lines, counts)
            body = "".join(json.dumps(line) + "\n" for line in lines)
            name = key.rpartition("/")[2]
            client.put_object(Bucket=out_bucket, Key=f"{out_prefix}/{name}.out", Body=body.encode())
        client.put_object(Bucket=out_bucket, Key=f"{out_prefix}/manifest.json.out", Body=json.dumps(counts).encode())
        status = "Completed" if not counts["errorRecordCount"] else "PartiallyCompleted"
        status = "Failed" if counts["errorRecordCount"] == counts["totalRecordCount"] else status
        shown = {key: counts[key] for key in ("processedRecordCount", "successRecordCount", "errorRecordCount")}
        self._enter(arn, status, endTime=time.time(), **shown)

    def _answer_all(self, arn: str, model: str, records: list[dict]) -> list[dict]:
        def answer(record: dict) -> dict:
            return self._answer(model, record) if self._open(arn) else record

        with concurrent.futures.ThreadPoolExecutor(_PARALLEL) as pool:
            return list(pool.map(answer, records))

    def _answer(self, model: str, record: dict) -> dict:
        try:
            return {**record, "modelOutput": self._runtime.answer(model, record["modelInput"])}
        except ApiError as error:
            return {**record, "error": {"errorCode": error.status, "errorMessage": error.message}}
        except (KeyError, TypeError, AttributeError) as error:
            return {**record, "error": {"errorCode": 400, "errorMessage": f"malformed modelInput: {error!r}"}}

    def _require(self, params: dict) -> dict:
        found = self.find(params["jobIdentifier"])
        if found is None:
            raise missing(f"model invocation job {params['jobIdentifier']}")
        return found

    def _get(self, params: dict) -> dict:
        return _shown(self._require(params))

    def _list(self, params: dict) -> dict:
        jobs = [job for job in self._jobs.all() if params.get("nameContains", "") in job["jobName"]]
        wanted = params.get("statusEquals")
        return {"invocationJobSummaries": [_shown(job) for job in jobs if wanted in (None, job["status"])]}

    def _stop(self, params: dict) -> dict:
        job = self._require(params)
        if job["status"] not in _OPEN:
            raise ApiError("ConflictException", f"The job is {job['status']}.")
        self._enter(job["jobArn"], "Stopped", endTime=time.time())
        return {}


def _shown(job: dict) -> dict:
    return {**job, **{name: iso(job[name]) for name in _TIMES if name in job}}


def _records(key: str, body: bytes) -> list[dict]:
    """The records of an input file. Raises ValueError naming file and line."""
    records = []
    for number, line in enumerate(body.decode().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{key} line {number} is not JSON: {error}") from None
        if not isinstance(record, dict) or "modelInput" not in record:
            raise ValueError(f"{key} line {number} has no modelInput")
        records.append({"recordId": f"CALL{number:07d}", **record})
    return records


def _count(lines: list[dict], counts: dict[str, int]) -> None:
    for line in lines:
        counts["totalRecordCount"] += 1
        counts["processedRecordCount"] += 1
        if "modelOutput" not in line:
            counts["errorRecordCount"] += 1
            continue
        counts["successRecordCount"] += 1
        usage = line["modelOutput"]["usage"]
        counts["inputTokenCount"] += usage["inputTokens"]
        counts["outputTokenCount"] += usage["outputTokens"]
