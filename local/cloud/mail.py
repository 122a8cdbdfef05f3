"""The mailbox of the laptop: what SNS would mail lies as files, which any mail program opens.

An alarm is worded as CloudWatch words it for people, with its name, reason, and description.
"""

import json
import re
import threading
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

SENDER = "no-reply@sns.amazonaws.com"


class Mailbox:
    """Writes one .eml file a mail, named by time and subject, so that a listing tells what came when."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def deliver(self, address: str, topic: str, subject: str, text: str) -> None:
        """Keep a mail of a topic (its ARN) to one subscriber."""
        now = datetime.now(UTC)
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Date"] = f"AWS Notifications <{SENDER}>", address, now
        mail["Subject"] = subject or "AWS Notification Message"
        mail.set_content(f"{_for_people(text)}\n\n--\nSent to the subscribers of {topic}.\n", cte="8bit")
        words = re.sub(r"\W+", "-", mail["Subject"]).strip("-")[:80]
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            stem = f"{now:%Y%m%dT%H%M%S.%f}-{words}"
            unfinished = self._folder / f"{stem}.part"
            unfinished.write_bytes(mail.as_bytes())
            unfinished.replace(unfinished.with_name(f"{stem}.eml"))  # whoever looks meanwhile finds whole mails only


def _for_people(text: str) -> str:
    """The text of a notice; an alarm's JSON is put into words."""
    try:
        alarm = json.loads(text)
        name, state = alarm["AlarmName"], alarm["NewStateValue"]
    except (ValueError, TypeError, KeyError):
        return text
    watched = alarm.get("Trigger", {})
    dimensions = ", ".join(f"{each.get('Name')} = {each.get('Value')}" for each in watched.get("Dimensions", []))
    facts = {
        "Name": name,
        "Description": alarm.get("AlarmDescription", ""),
        "State": f"{alarm.get('OldStateValue')} -> {state}",
        "Reason": alarm.get("NewStateReason", ""),
        "Time": alarm.get("StateChangeTime", ""),
        "Account and region": f"{alarm.get('AWSAccountId')}, {alarm.get('Region')}",
        "Metric": f"{watched.get('Namespace')} {watched.get('MetricName')} ({dimensions})",
        "Threshold": f"{watched.get('Statistic')} {watched.get('ComparisonOperator')} {watched.get('Threshold')} "
        f"over {watched.get('EvaluationPeriods')} x {watched.get('Period')} s",
    }
    lines = [f"- {fact + ':':20} {value}" for fact, value in facts.items()]
    return "\n".join([f'The alarm "{name}" has entered the state {state}.', "", *lines])
