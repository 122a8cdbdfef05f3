"""Mails for people: what happened, the numbers, where to look, what to run next."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from toolsmith.events import ANEW, FINAL
from toolsmith.reporting.breakdown import label

MAX_SUBJECT = 100
MAX_FIELD = 1200

Detail = Mapping[str, Any]


@dataclass(frozen=True)
class Mail:
    """subject: at most 100 ASCII characters, as SNS asks."""

    subject: str
    text: str


@dataclass(frozen=True)
class Message:
    """What one event says: a headline, the facts below it, a link, and the commands to run next."""

    headline: str
    lines: tuple[str, ...] = ()
    link: str = ""
    following: tuple[str, ...] = ()


def compose(detail_type: str, detail: Detail, region: str, stack: str = "") -> Mail:
    """The mail of one event; an event without a text of its own, or an unexpected detail, is shown as it is.

    stack: its name, which the commands in the mail then act on; without it they act on the local cloud.
    """
    write = _MESSAGES.get(detail_type)
    try:
        message = write(detail, region) if write else None
    except (KeyError, TypeError, ValueError):
        message = None
    if message is None:
        name = detail.get("run") or detail.get("execution") or detail.get("key") or ""
        message = Message(f"{detail_type} {name}".strip(), (json.dumps(detail, indent=2, ensure_ascii=False),))
    return Mail(_subject(f"Toolsmith {region}: {message.headline}"), _body(message, stack))


def _subject(text: str) -> str:
    """One line of printable ASCII, cut with dots."""
    ascii_only = " ".join(text.encode("ascii", "replace").decode().split())
    printable = "".join(character if character.isprintable() else "?" for character in ascii_only)
    return printable if len(printable) <= MAX_SUBJECT else printable[: MAX_SUBJECT - 3] + "..."


def _body(message: Message, stack: str) -> str:
    parts = [message.headline, "\n".join(message.lines)]
    if message.link:
        parts.append(f"Look: {message.link}")
    if message.following:
        parts.append("Next:\n" + "\n".join(f"    {_at(stack, command)}" for command in message.following))
    return "\n\n".join(part for part in parts if part) + "\n"


def _at(stack: str, command: str) -> str:
    """The command as it acts on the stack that wrote the mail."""
    return f"{command} --stack {stack}" if stack and command.startswith("toolsmith ") else command


def console(region: str) -> str:
    """Address of the web console; the partition follows from the region's name."""
    if region.startswith("cn-"):
        return "https://console.amazonaws.cn"
    if region.startswith("us-gov-"):
        return "https://console.amazonaws-us-gov.com"
    return f"https://{region}.console.aws.amazon.com"


def _object_link(uri: str, region: str) -> str:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return f"{console(region)}/s3/object/{bucket}?region={region}&prefix={quote(key)}"


def _job_link(job: str, region: str) -> str:
    return f"{console(region)}/sagemaker/home?region={region}#/jobs/{quote(job)}"


def _execution_link(arn: str, region: str) -> str:
    return f"{console(region)}/states/home?region={region}#/v2/executions/details/{quote(arn)}" if arn else ""


def _cut(value: Any) -> str:
    text = str(value)
    return text if len(text) <= MAX_FIELD else text[:MAX_FIELD] + " ..."


def _percent(interval: Mapping[str, float]) -> str:
    return f"{100 * interval['mean']:.1f} % [{100 * interval['low']:.1f}, {100 * interval['high']:.1f}]"


def _document_ingested(detail: Detail, region: str) -> Message:
    if detail["already_held"]:
        return Message(f"{detail['key']} was there before; nothing was taught again")
    counts = ", ".join(f"{detail[name]} {name}" for name in ("kept", "repaired", "rejected", "failed", "empty"))
    following = ("toolsmith watch",)
    return Message(
        f"{detail['examples']} examples from {detail['key']}",
        (f"Chunks: {detail['chunks']} ({counts})", f"Digest: {detail['document']}"),
        following=following,
    )


def _document_rejected(detail: Detail, region: str) -> Message:
    return Message(
        f"{detail['key']} was set aside ({detail['reason']})",
        (
            _cut(detail["detail"]),
            f"It lies at {detail['set_aside']} in the intake bucket, with a reason file beside it.",
            "Everything else goes on. Drop the file again once it is mended.",
        ),
        following=("toolsmith drop FILE",),
    )


def _cost_estimated(detail: Detail, region: str) -> Message:
    usd, unpriced = detail["estimated_usd"], detail.get("unpriced_jobs", 0)
    budget = f"Budget: {detail['budget_usd']:,.2f} USD. Nothing was spent yet."
    headline = f"{detail['run']} will cost about {usd:,.2f} USD" if usd else f"{detail['run']} costs nothing"
    if unpriced:
        more = f"; the others are estimated at {usd:,.2f} USD" if usd else ""
        headline = f"nobody knows what {detail['run']} will cost"
        budget += (
            f"\nrecipes/prices.json has no price for {unpriced} of its jobs, so no budget holds them back{more}.\n"
            "Such a run starts only where somebody has accepted that, or where it waits for approval."
        )
    elif not usd:
        budget = "Its jobs are free, by the student's profile or by recipes/prices.json."
    return Message(
        headline,
        (budget, f"It learns from {detail['examples']:,} examples of {detail['documents']:,} documents."),
        following=(f"toolsmith watch {detail['run']}",),
    )


def _dataset_ready(detail: Detail, region: str) -> Message:
    rows = tuple(f"  {name}: {count:,} rows" for name, count in sorted(detail["rows"].items()))
    return Message(
        f"The dataset of {detail['run']} is ready",
        (f"It lies below {detail['prefix']} in the work bucket (card.md describes it):", *rows),
        following=(f"toolsmith watch {detail['run']}",),
    )


def _job(detail: Detail) -> str:
    """ "SFT", "Evaluation of Base with tools": the job of an event, in words."""
    if detail["stage"] == "evaluate":
        return f"Evaluation of {label(detail['arm'])}" if "arm" in detail else "An evaluation"
    return label(detail["stage"])


def _job_started(detail: Detail, region: str) -> Message:
    again = f", attempt {detail['attempt'] + 1}" if detail["attempt"] else ""
    return Message(
        f"{_job(detail)} of {detail['run']} starts{again}",
        (f"Job: {detail['job']}",),
        _job_link(detail["job"], region),
        (f"toolsmith watch {detail['run']}",),
    )


def _cost(detail: Detail) -> str:
    used = f" for {detail['tokens']:,} tokens" if detail.get("tokens") else ""
    if not detail.get("priced", True):
        return f"cost unknown{used}, recipes/prices.json has no price"
    return f"cost by list price: {detail['usd']:,.2f} USD{used}" if detail["usd"] else "at no cost"


def _job_completed(detail: Detail, region: str) -> Message:
    return Message(
        f"{_job(detail)} of {detail['run']} is done",
        (
            f"Job: {detail['job']}",
            f"Time: {detail['seconds'] / 3600:.1f} h; {_cost(detail)}",
            f"Checkpoint: {detail['checkpoint']}",
        ),
        _job_link(detail["job"], region),
        (f"toolsmith watch {detail['run']}",),
    )


_REMEDIES = {
    "capacity": "There was no capacity or quota. Ask for quota or wait, then go on.",
    "diverged": "Loss or reward stopped being a number. Lower the learning rate in the recipe, then start a new run.",
    "validation": "The service refused the request or the data. Correct it, then go on.",
    "stopped": "The job was stopped or ran out of time. Go on.",
}


def _job_failed(detail: Detail, region: str) -> Message:
    remedy = _REMEDIES.get(detail["class"], "Read the job's log, mend the cause, then go on.")
    again = ANEW if detail["class"] == "diverged" else f"toolsmith redrive {detail['run']}"
    return Message(
        f"{_job(detail)} of {detail['run']} failed ({detail['class']})",
        (f"Job: {detail['job']}", _cut(detail["reason"]), remedy),
        _job_link(detail["job"], region),
        (again,),
    )


def _evaluation_completed(detail: Detail, region: str) -> Message:
    return Message(
        f"{label(detail['arm'])} of {detail['run']} scores {_percent(detail['score'])}",
        (f"As the talk counted: {_percent(detail['talk_score'])}", f"Job: {detail['job']}"),
        _job_link(detail["job"], region),
        (f"toolsmith watch {detail['run']}",),
    )


def _gate(word: str, effect: str) -> Callable[[Detail, str], Message]:
    def write(detail: Detail, region: str) -> Message:
        return Message(
            f"{detail['run']}: {label(detail['candidate'])} {word} its gate",
            (f"{detail['reason']}.", effect.format(label(detail["candidate"]))),
            following=(f"toolsmith watch {detail['run']}",),
        )

    return write


def _approval_requested(detail: Detail, region: str) -> Message:
    answers = (detail["approve"], detail.get("reject", ""))
    return Message(
        f"{detail['run']} waits for your approval",
        (
            _cut(detail["candidate"]),
            _cut(detail["verdict"]),
            f"Without an answer by {detail['expires_at']} the run ends, and nothing is spent.",
        ),
        _object_link(detail["report"], region),
        tuple(command for command in answers if command),
    )


def _model_deployed(detail: Detail, region: str) -> Message:
    smoke = detail["smoke"]
    return Message(
        f"The model of {detail['run']} answers and passed its smoke test",
        (
            f"Deployment: {detail['deployment_arn']}",
            f"Asked: {_cut(smoke['question'])}",
            f"Answered: {_cut(smoke['answer'])}",
        ),
        following=(f"toolsmith watch {detail['run']}",),
    )


def _model_registered(detail: Detail, region: str) -> Message:
    return Message(
        f"{detail['run']} registered its {label(detail['candidate'])} model",
        (_cut(detail["verdict"]), f"Model: {detail['model_arn']}", f"Deployment: {detail['deployment_arn']}"),
        _object_link(detail["report"], region),
        (f"toolsmith report {detail['run']}", 'toolsmith ask "QUESTION"'),
    )


def _run_failed(detail: Detail, region: str) -> Message:
    link = _execution_link(detail.get("execution_arn", ""), region)
    if detail["error"] == "CandidateRejected":
        return Message(
            f"{detail['execution']} ended without a better model",
            (_cut(detail["cause"]), "Nothing was registered; the report says why."),
            link,
            (f"toolsmith report {detail['execution']}",),
        )
    return Message(
        f"{detail['execution']} failed: {detail['error']}",
        (f"Machine: {detail['machine']}", _cut(detail["cause"]), _ahead(detail)),
        link,
        (detail["remedy"],),
    )


def _ahead(detail: Detail) -> str:
    if detail["error"] in FINAL:
        return "A redrive would end the same way. Mend the cause, then ask for a new run with a request file."
    if detail["error"] == "PriceUnknown":
        return "The command below goes on once the prices are deployed; with --unpriced it goes on without them."
    return "What was done, and paid, is not done again."


_MESSAGES: dict[str, Callable[[Detail, str], Message]] = {
    "Document Ingested": _document_ingested,
    "Document Rejected": _document_rejected,
    "Cost Estimated": _cost_estimated,
    "Dataset Ready": _dataset_ready,
    "Training Job Started": _job_started,
    "Training Job Completed": _job_completed,
    "Training Job Failed": _job_failed,
    "Evaluation Completed": _evaluation_completed,
    "Gate Passed": _gate("passed", "The run goes on with {}."),
    "Gate Failed": _gate("did not pass", "{} will not be registered."),
    "Approval Requested": _approval_requested,
    "Model Deployed": _model_deployed,
    "Model Registered": _model_registered,
    "Run Failed": _run_failed,
}
