"""report.html: one self-contained page, written from report.json."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from toolsmith.reporting import answers, origins, progress, results
from toolsmith.reporting.markup import Markup, element, join, text

Report = Mapping[str, Any]

SECTIONS: tuple[tuple[str, str, Callable[[Report], Markup]], ...] = (
    ("arms", "Scores", results.arms),
    ("differences", "Differences and gates", results.differences),
    ("breakdown", "Categories and tools", results.breakdown),
    ("training", "Training", progress.training),
    ("attacks", "Attacks on the reward", progress.attacks),
    ("calibration", "Calibration of the reward", progress.calibration),
    ("examples", "Example answers", answers.examples),
    ("dataset", "Dataset", origins.dataset),
    ("documents", "Documents", origins.documents),
    ("cost", "Cost", origins.cost),
    ("lineage", "Lineage", origins.lineage),
)


MEANING = (
    "What was taught: given a question, to plan which tools answer it, in which order and with which arguments. Base "
    "is the model before training, SFT after learning from verified examples, RFT after practice for a reward on top "
    "of that. 100 % would be every plan right, on questions about documents that training never saw. Brackets are "
    "95 % intervals."
)


def page(report: Report) -> str:
    """The whole page; every text that comes from documents or models is escaped, and nothing is fetched or run."""
    body = element(
        "div",
        element("a", "Skip to the results", href="#results", class_="skip"),
        element("header", *_header(report), element("nav", _contents(), aria_label="Sections")),
        element("main", *[_section(*section, report) for section in SECTIONS], id="results"),
        element("footer", "Intervals are 95 % by bootstrap over documents. The same facts for machines: report.json."),
        class_="layout",
    )
    return document(f"Toolsmith report: {report['run']}", body)


def document(title: str, body: Markup) -> str:
    """A page around its body; the policy forbids scripts and anything from a network."""
    style = Markup((Path(__file__).parent / "page.css").read_text(encoding="utf-8"))
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    head = join(
        [
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("meta", http_equiv="Content-Security-Policy", content=policy),
            element("title", title),
            element("style", style),
        ]
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{text(body)}</body></html>\n'


def _contents() -> Markup:
    return element("ul", *[element("li", element("a", title, href=f"#{name}")) for name, title, _ in SECTIONS])


def _section(name: str, title: str, render: Callable[[Report], Markup], report: Report) -> Markup:
    return element(
        "section",
        element("h2", title, id=f"{name}-heading"),
        render(report),
        id=name,
        aria_labelledby=f"{name}-heading",
    )


def _header(report: Report) -> list[Markup]:
    outcome = report["outcome"]
    registered = bool(outcome.get("registered"))
    words = f"{str(outcome.get('candidate') or 'model').upper()} registered" if registered else "Not registered"
    return [
        element(
            "p",
            "Run ",
            element("code", report["run"]),
            f" · {report['finished_at'][:16].replace('T', ' ')} · " if report.get("finished_at") else " · ",
            element("span", words, class_=f"pill {'good' if registered else 'bad'}"),
            class_="eyebrow",
        ),
        element("h1", _sentence(report["verdict"])),
        _shortfalls(report),
        element("p", MEANING, class_="lead"),
        element("dl", *[_figure(*figure) for figure in _figures(report)], class_="figures"),
    ]


def _shortfalls(report: Report) -> Markup:
    """What was not reached or lost, before anything is explained; that all aims are met is worth a line."""
    missed = {entry["kind"] for entry in report["shortfalls"]} & {"aim", "unmeasured"}
    met = element("p", "Every aim of this student is met.") if report["aims"] and not missed else ""
    if not report["shortfalls"]:
        return join([met])
    listed = [element("li", _sentence(entry["what"]), _tried(entry["tried"])) for entry in report["shortfalls"]]
    return element(
        "section",
        element("h2", "Not reached, or lost", id="shortfalls-heading"),
        element("ul", *listed),
        met,
        class_="shortfalls",
        aria_labelledby="shortfalls-heading",
    )


def _tried(sentence: str) -> Markup | str:
    return element("span", f" {sentence}", class_="tried") if sentence else ""


def _sentence(sentence: str) -> Markup:
    """A sentence with its intervals set back, so that the means are read first; neither breaks inside."""
    whole = re.sub(r"(?<=\d) (?=%|points)", "\u00a0", sentence)
    parts = re.split(r"( \[[^\]]*\])", whole)
    return join(element("small", part) if part.startswith(" [") else part for part in parts)


def _figure(name: str, value: str, beside: str) -> Markup:
    return element("div", element("dt", name), element("dd", value, element("small", beside)))


def _figures(report: Report) -> list[tuple[str, str, str]]:
    counts = report["dataset"].get("counts", {})
    split = counts.get("split", {})
    measured = max((arm["questions"] for arm in report["arms"].values()), default=0)
    documents = max((arm.get("documents", 0) for arm in report["arms"].values()), default=0)
    seconds = sum(job["seconds"] for job in report["cost"]["jobs"].values())
    return [
        ("Held-out questions", f"{measured:,}", f"about {documents:,} documents that training never saw"),
        ("Training examples", f"{split.get('train', 0):,}", f"of {counts.get('examples', 0):,} verified"),
        ("Documents", f"{len(report['documents']):,}", f"{len(report['rejected']):,} set aside"),
        ("Training time", duration(seconds), f"{len(report['cost']['jobs'])} jobs"),
        ("Cost", origins.spent(report["cost"]), f"estimated {origins.estimated(report['cost'])}"),
    ]


def duration(seconds: float) -> str:
    """ "3 h 57 min", "12 min", "41 s"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
