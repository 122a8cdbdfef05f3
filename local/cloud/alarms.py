"""Alarms over executions: one that fails or runs out of time is counted, and the alarm goes off and ends again.

Other metrics are not measured here; an alarm over one of them is tried with `aws cloudwatch set-alarm-state`.
"""

import threading
import time
from collections import defaultdict, deque

from local.cloud import emulator

NAMESPACE = "AWS/States"
_METRICS = {"FAILED": "ExecutionsFailed", "TIMED_OUT": "ExecutionsTimedOut", "ABORTED": "ExecutionsAborted",
            "SUCCEEDED": "ExecutionsSucceeded", "RUNNING": "ExecutionsStarted"}  # fmt: skip
_CROSSED = {
    "GreaterThanThreshold": lambda count, threshold: count > threshold,
    "GreaterThanOrEqualToThreshold": lambda count, threshold: count >= threshold,
}
PAUSE = 30  # seconds between two looks
MOST = 10_000  # moments that are remembered of one metric of one machine


def state_of(alarm: dict, moments: list[float], now: float) -> str:
    """ "ALARM" where the count of moments crosses the threshold in enough of the alarm's newest periods, else "OK".

    alarm: as DescribeAlarms answers it; moments and now in seconds. A period without any counts as not crossed.
    """
    periods, seconds = alarm["EvaluationPeriods"], alarm["Period"]
    counts = [sum(now - (n + 1) * seconds < at <= now - n * seconds for at in moments) for n in range(periods)]
    crossed = sum(bool(count) and _CROSSED[alarm["ComparisonOperator"]](count, alarm["Threshold"]) for count in counts)
    return "ALARM" if crossed >= (alarm.get("DatapointsToAlarm") or periods) else "OK"


class Alarms:
    """Counts executions and keeps the states of the alarms over them."""

    def __init__(self) -> None:
        self._moments: dict[tuple[str, str], deque[float]] = defaultdict(lambda: deque(maxlen=MOST))
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._work, name="alarms", daemon=True).start()

    def close(self) -> None:
        self._closing.set()

    def heard(self, execution: dict) -> None:
        """Count a change of an execution, as DescribeExecution answers it."""
        with self._lock:
            self._moments[_METRICS[execution["status"]], execution["stateMachineArn"]].append(time.time())
        if execution["status"] not in ("RUNNING", "SUCCEEDED"):  # the many that go well cost no look of their own
            self._look()

    def _work(self) -> None:
        while not self._closing.wait(PAUSE):
            self._look()

    def _look(self) -> None:
        with self._lock:
            for alarm in emulator.alarms(NAMESPACE):
                machine = next((each["Value"] for each in alarm["Dimensions"] if each["Name"] == "StateMachineArn"), "")
                state = state_of(alarm, list(self._moments[alarm["MetricName"], machine]), time.time())
                if state != alarm["StateValue"]:
                    crossed = "Threshold Crossed" if state == "ALARM" else "Threshold no longer crossed"
                    rule = f"{alarm['Statistic']} of {alarm['MetricName']} {alarm['ComparisonOperator']}"
                    emulator.change_alarm(alarm["AlarmName"], state, f"{crossed}: {rule} {alarm['Threshold']:g}")
