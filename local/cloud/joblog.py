"""Streams the output of a training job to CloudWatch Logs while it runs, with the job's own permissions."""

import logging
import queue
import re
import threading
import time
from collections.abc import Iterable

from botocore.exceptions import ClientError

logger = logging.getLogger("local.cloud.joblog")

GROUP = "/aws/sagemaker/TrainingJobs"
_BATCH = 500
_PAUSE = 0.3  # seconds between two deliveries
# The line of a traceback that says what happened; libraries print others after it while the program ends.
_RAISED = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt)(?::|$)")


def last_words(lines: Iterable[str]) -> str:
    """The line of a log that says why its program ended: the last exception, else the last line with a word in it."""
    told = [line.strip() for line in lines if re.search(r"\w", line)]
    return next((line for line in reversed(told) if _RAISED.match(line)), told[-1] if told else "")


class JobLog:
    """One log stream. A role without logs permissions loses the log, not the job, as on AWS."""

    def __init__(self, client, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._lines: queue.Queue[tuple[int, str] | None] = queue.Queue()
        self._open = self._create()

    def follow(self, output) -> None:
        """Deliver every line of a binary stream until it ends."""
        sender = threading.Thread(target=self._send, daemon=True)
        sender.start()
        for line in output:
            text = line.decode("utf-8", "replace").rstrip("\n")
            if text:
                self._lines.put((int(time.time() * 1000), text))
        self._lines.put(None)
        sender.join(30)

    def _create(self) -> bool:
        calls = (
            lambda: self._client.create_log_group(logGroupName=GROUP),
            lambda: self._client.create_log_stream(logGroupName=GROUP, logStreamName=self._stream),
        )
        for call in calls:
            try:
                call()
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                    logger.warning("no log for %s: %s", self._stream, error)
                    return False
        return True

    def _send(self) -> None:
        ended = False
        while not ended:
            batch, ended = self._take()
            if batch and self._open:
                self._deliver(batch)
            if not ended:
                time.sleep(_PAUSE)

    def _take(self) -> tuple[list[tuple[int, str]], bool]:
        """What has come in, and whether the stream ended."""
        batch = []
        item = self._lines.get()
        while item is not None:
            batch.append(item)
            if len(batch) == _BATCH or self._lines.empty():
                return batch, False
            item = self._lines.get()
        return batch, True

    def _deliver(self, batch: list[tuple[int, str]]) -> None:
        events = [{"timestamp": at, "message": text} for at, text in batch]
        try:
            self._client.put_log_events(logGroupName=GROUP, logStreamName=self._stream, logEvents=events)
        except ClientError as error:
            logger.warning("log lines of %s were lost: %s", self._stream, error)
            self._open = False
