"""The report of a finished run: what it says, that text stays text, and that it stays small."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from tests.unit import reporting_run
from toolsmith import reporting
from toolsmith.customization import statistics
from toolsmith.reporting import answers, breakdown, curves, examples, intervals
from toolsmith.reporting.markup import element, text

STYLE = Path(reporting.__file__).parent / "page.css"


@pytest.fixture(scope="module")
def facts():
    return reporting_run.facts()


@pytest.fixture(scope="module")
def page(files):
    return etree.HTML(files["report.html"].decode())


def words(node) -> str:
    return " ".join(" ".join(node.itertext()).split())


def headline(page):
    """The first heading as it is read, its parts put together without blanks of ours."""
    return " ".join("".join(page.find(".//h1").itertext()).split())


def test_the_report_function_writes_the_three_files():
    found = reporting_run.written()
    data = json.loads(found["report.json"])
    assert {"constant", "majority_plan", "right_tools_empty", "right_tools_generic", *reporting_run.SKILL} == set(
        data["arms"]
    )
    assert data["verdict"] in found["model_card.md"].decode()
    page = etree.HTML(found["report.html"].decode())
    assert headline(page) == " ".join(data["verdict"].split())


def test_keys_that_the_command_line_reads(report, facts):
    assert set(report["arms"]["rft"]) >= {"score", "talk_score", "exact", "categories", "questions"}
    assert report["dataset"]["counts"]["split"]["train"] > 0
    assert report["dataset"]["prefix"].startswith("datasets/")
    assert report["gates"].keys() == {"sft", "rft"}
    assert report["curves"]["rft"][0]["train_reward_mean"] == facts.jobs["rft"]["metrics"][0]["train_reward_mean"]
    assert report["outcome"]["registered"] is True


def test_the_verdict_comes_first_and_names_the_control(page, facts):
    sentence = reporting.verdict(facts)
    assert headline(page) == " ".join(sentence.split())
    assert page.find(".//body//h1").getroottree().xpath("count(//h1/preceding::h2)") == 0
    assert reporting.percent(facts.measures["more_sft"]["score"]) in sentence
    assert sentence.count(".") == len(re.findall(r"\d\.\d", sentence)) + 1, "one sentence"


@pytest.mark.parametrize(
    ("control_score", "said"),
    [(0.0, "less than RFT"), (1.0, "more than RFT")],
)
def test_the_verdict_says_when_the_control_wins(facts, control_score, said):
    changed = reporting_run.with_score(facts, "more_sft", score=control_score)
    assert said in reporting.verdict(changed)


def test_the_verdict_does_not_choose_between_arms_that_cannot_be_told_apart(facts):
    rft, control = facts.measures["rft"], facts.measures["more_sft"]
    assert control["score"]["mean"] < rft["score"]["mean"]
    for pair in ({"rft": rft}, {"rft": control, "more_sft": rft}, {"more_sft": rft}):
        assert "cannot be told apart" in reporting.verdict(replace(facts, measures={**facts.measures, **pair}))


def test_a_run_without_a_model_says_so(facts):
    nothing = replace(facts, outcome={"registered": False, "candidate": None}, gates={"sft": {"passed": False}})
    assert reporting.verdict(nothing).startswith("No model was registered: SFT")
    files = reporting.build(replace(nothing, gates={}, measures={}, jobs={}, attacks=[], rejected=[], documents=[]))
    assert b"nothing was evaluated" in files["report.html"]
    assert b"Not registered" in files["report.html"]


def test_nothing_of_a_document_or_model_becomes_markup(page, files):
    assert page.xpath("//script | //img | //link | //iframe | //*[@onerror]") == []
    assert reporting_run.HOSTILE.encode() not in files["report.html"]
    shown = files["report.html"].decode()
    assert "&lt;script&gt;alert" in shown
    assert not set(shown) & {"\u202e", "\x07"}
    assert "<script>" not in files["model_card.md"].decode()


def test_lone_surrogates_do_not_stop_a_report(facts):
    odd = reporting_run.with_score(facts, "rft", answer='{"category":"\ud800"')
    files = reporting.build(odd)
    assert files["report.html"].decode()
    answers = [example["answers"]["rft"]["answer"] for example in json.loads(files["report.json"])["examples"]]
    assert set(answers) == {'{"category":"\ud800"'}


def test_nothing_is_fetched(page, files):
    assert page.xpath("//@src") == []
    assert all(link.startswith("#") for link in page.xpath("//a/@href"))
    assert b"url(" not in files["report.html"]
    policy = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert "default-src 'none'" in policy[0]


def test_every_chart_has_marks_words_and_a_table(page):
    charts = page.xpath("//*[local-name()='svg'][@role='img']")
    assert len(charts) >= 2 * 2 + 3
    for chart in charts:
        for attribute in ("aria-labelledby", "aria-describedby"):
            (named,) = chart.xpath(f".//*[@id='{chart.get(attribute)}']")
            assert words(named)
        assert chart.xpath(".//*[local-name()='circle' or local-name()='polyline']")
        assert chart.xpath("ancestor::section//table")
    assert len(page.xpath("//@id")) == len(set(page.xpath("//@id")))


def test_the_control_always_stands_beside_rft(facts):
    without = replace(facts, measures={arm: m for arm, m in facts.measures.items() if arm != "more_sft"})
    page = etree.HTML(reporting.build(without)["report.html"].decode())
    chart = page.xpath("//*[local-name()='svg' and starts-with(@aria-labelledby, 'arms-chart-wide')]")[0]
    assert "More SFT (control): not measured. RFT: score" in words(chart)
    assert "not measured" in [words(node) for node in chart.xpath("./*[local-name()='text']")]


def test_examples_begin_with_the_worst_regression(facts, report):
    rows = {arm: {row["id"]: row["score"] for row in facts.measures[arm]["rows"]} for arm in ("sft", "rft")}
    changes = [rows["rft"][example["id"]] - rows["sft"][example["id"]] for example in report["examples"]]
    assert changes[0] == min(rows["rft"][key] - rows["sft"][key] for key in rows["rft"]) < 0
    worse = [example["change"] for example in report["examples"] if example["kind"] == "worse"]
    assert worse == sorted(worse)
    assert changes == [pytest.approx(example["change"]) for example in report["examples"]]
    assert len(report["examples"]) == 20
    kinds = [example["kind"] for example in report["examples"]]
    assert kinds == sorted(kinds, key=["worse", "wrong", "better", "right"].index)
    assert kinds.count("better") >= 4, "gains are shown beside regressions"


def test_examples_fill_up_with_what_there_is(facts):
    perfect = reporting_run.with_score(facts, "rft", score=1.0)
    perfect = reporting_run.with_score(perfect, "sft", score=1.0)
    assert {example["kind"] for example in examples.choose(perfect.measures, {})} == {"right"}
    only_base = {"base": facts.measures["base"]}
    assert [list(e["answers"]) for e in examples.choose(only_base, {})][0] == ["base"]
    assert examples.choose({}, {}) == []


REFERENCE = {
    "category": "regulatory_compliance_analysis",
    "calls": [
        {"name": "statute_retrieval", "arguments": {"regulation": "17 CFR 230.506(b)"}},
        {
            "name": "compliance_checker",
            "arguments": {
                "query": "the pre-filing offers",
                "edgar_check": None,
                "regulation": "17 CFR 230.506(b)",
                "case_interpretation_check": None,
            },
        },
    ],
}


def test_an_answer_is_marked_as_the_reward_judges_it():
    calls = [
        {"name": "statute_retrieval", "arguments": {"regulation": "Rule 506(b)"}},
        {"name": "citation_validator", "arguments": {"query": "Rule 506(b)"}},
    ]
    said = json.dumps({"category": "citation_verification", "calls": calls})
    found = examples.compared(said, REFERENCE, "Do the pre-filing offers meet Rule 506(b)?")
    assert found["category"] == ("citation_verification", False)
    assert [(call["name"], call["right"]) for call in found["calls"]] == [
        ("statute_retrieval", True),
        ("citation_validator", False),
    ]
    assert found["calls"][0]["arguments"] == [("regulation", "Rule 506(b)", True)], "another spelling of the same law"
    assert found["calls"][1]["arguments"] == [("query", "Rule 506(b)", False)]
    assert found["missing"] == ["compliance_checker"]


def test_a_missing_and_a_wrong_argument_are_named():
    calls = [REFERENCE["calls"][0], {"name": "compliance_checker", "arguments": {"query": "something else entirely"}}]
    found = examples.compared(json.dumps({"category": REFERENCE["category"], "calls": calls}), REFERENCE, "?")
    checker = found["calls"][1]
    assert checker["arguments"] == [("query", "something else entirely", False)]
    assert "regulation" in checker["missing"]
    assert "query" not in checker["missing"]


def test_an_answer_that_is_no_plan_is_shown_as_it_is(page):
    assert examples.compared("I cannot help with that.", REFERENCE, "?") is None
    raw = page.xpath("//*[contains(@class, 'raw-text')]")
    assert any("I would look it up." in words(node) for node in raw)


def test_without_references_nothing_is_marked(facts):
    page = etree.HTML(reporting.build(replace(facts, references={}))["report.html"].decode())
    assert page.xpath("//section[@id='examples']//*[@class='wrong' or @class='lost']") == []


def test_differences_are_paired(facts, report):
    found = {(pair["candidate"], pair["rival"]): pair for pair in report["paired"]}
    rows = {arm: facts.measures[arm]["rows"] for arm in ("rft", "more_sft")}
    expected = statistics.paired(rows["rft"], rows["more_sft"]).to_json()
    assert found["rft", "more_sft"]["score"] == pytest.approx(expected)
    assert found["sft", "base"]["score"]["low"] > 0


def test_wordings_that_had_no_labels_stand_apart(facts, report, page):
    assert report["wordings"] == {} and not page.xpath("//h3[.='By wording']")
    measures = {}
    for arm, measure in facts.measures.items():
        rows = [{**row, "labelled": row["id"] < "8"} for row in measure.get("rows", [])]
        measures[arm] = {**measure, **({"rows": rows} if rows else {})}
    files = reporting.build(replace(facts, measures=measures))
    found = json.loads(files["report.json"])["wordings"]
    rft = measures["rft"]["rows"]
    untold = [row for row in rft if not row["labelled"]]
    assert found["unlabelled"]["arms"]["rft"]["questions"] == len(untold) < len(rft)
    gain = next(d for d in found["unlabelled"]["differences"] if (d["candidate"], d["rival"]) == ("rft", "sft"))
    sft = {row["id"]: row["score"] for row in measures["sft"]["rows"]}
    assert gain["score"]["mean"] == pytest.approx(
        sum(r["score"] - sft[r["id"]] for r in untold) / len(untold), abs=1e-5
    )
    (title,) = etree.HTML(files["report.html"].decode()).xpath("//h3[.='By wording']")
    (table,) = title.xpath("following::table[2]")
    assert f"{100 * gain['score']['mean']:+.1f}" in words(table).replace("\u2212", "-")


def test_questions_that_no_tool_can_answer_have_their_own_row_and_are_counted_by_kind(report, page):
    counts = report["dataset"]["counts"]
    asked = counts["category"]["no_tool"]
    assert report["categories"]["no_tool"]["rft"]["questions"] == asked["test"] > 0
    rows = [words(row) for row in page.iter("tr")]
    assert any(row.startswith(f"no tool {asked['test']} ") for row in rows)
    for kind, per in counts["abstention"].items():
        numbers = " ".join(f"{per[name]}" for name in ("train", "validation", "test"))
        assert f"{kind.replace('_', ' ')} {numbers} {sum(per.values())}" in rows
    assert f"and {sum(asked.values())} questions by hand that no tool can answer" in words(page)


def test_both_ways_to_be_wrong_about_calling_nothing_are_counted():
    empty, call = '{"category":"no_tool","calls":[]}', '{"category":"x","calls":[{"name":"t","arguments":{}}]}'
    answers = [
        ("no_tool", empty),
        ("no_tool", call),
        ("no_tool", "No tool can."),
        ("x", empty),
        ("x", call),
        ("x", call),
    ]
    rows = [{"category": category, "answer": answer} for category, answer in answers]
    found = breakdown.abstention({"sft": {"rows": rows}, "base": {"rows": []}}, {"x": ("t",)})
    assert found == {"sft": {"questions": 3, "abstained": 1 / 3, "needless": 1 / 3}}
    assert breakdown.abstention({"sft": {"rows": rows[3:]}}, {"x": ("t",)}) == {}


def test_the_page_says_how_often_nothing_is_called(report, page):
    (title,) = page.xpath("//h3[.='When there is nothing to call']")
    rows = [words(row) for row in title.xpath("following::table[1]//tbody/tr")]
    said = [
        f"{100 * report['abstention'][arm]['abstained']:.1f}"
        for arm in ("base", "base_tools", "sft", "more_sft", "rft")
    ]
    assert rows[0] == f"Called nothing where no tool can answer {' '.join(said)}"


def test_an_answer_that_calls_nothing_is_shown_and_judged_as_such(facts):
    (question, *_) = [key for key, reference in facts.references.items() if not reference["calls"]]
    row = next(row for row in facts.measures["rft"]["rows"] if row["id"] == question)
    right = {**row, "answer": '{"category":"no_tool","calls":[]}', "score": 1.0, "reason": "ok"}
    called = {**row, "answer": '{"category":"x","calls":[{"name":"statute_retrieval","arguments":{}}]}', "score": 0.0}
    measures = {"sft": {"rows": [right]}, "rft": {"rows": [called]}}
    (shown,) = examples.choose(measures, facts.references)
    assert (shown["kind"], shown["category"], shown["expected"]["calls"]) == ("worse", "no_tool", [])
    read = etree.HTML(str(answers.examples({"examples": [shown]})))
    assert "no calls" in words(read) and "statute_retrieval (not as expected)" in words(read)


def test_tools_are_counted_by_what_was_called():
    def row(number, category, answer, score):
        return {"id": str(number), "document": "d", "category": category, "answer": answer, "score": score,
                "talk_score": score, "exact": score, "reason": "ok"}  # fmt: skip

    search = '{"category":"a","calls":[{"name":"case_law_search","arguments":{"query":"x"}}]}'
    rows = [row(1, "a", search, 1.0), row(2, "a", "nothing", 0.0), row(3, "b", search, 0.0), row(4, "b", search, 0.0)]
    found = breakdown.by_tool({"sft": {"rows": rows}}, {"a": ("case_law_search",), "b": ("citation_validator",)})
    search_found = found["case_law_search"]["sft"]
    assert (search_found["questions"], search_found["recall"]) == (2, 0.5)
    assert search_found["precision"] == pytest.approx(1 / 3)
    assert search_found["score"]["mean"] == 0.5
    assert found["citation_validator"]["sft"]["precision"] is None


def test_a_report_of_two_thousand_questions_stays_small():
    files = reporting.build(reporting_run.facts(questions=2000))
    assert json.loads(files["report.json"])["arms"]["rft"]["questions"] == 2000
    assert len(files["report.html"]) < 1_500_000
    assert len(files["report.json"]) < 1_500_000


def test_attacks_that_beat_the_honest_answer_are_marked(facts):
    row = {"name": "charm", "description": "d", "imitates": "tools", "score": 0.5, "talk_score": 0.2, "honest": 0.3}
    page = etree.HTML(reporting.build(replace(facts, attacks=[row]))["report.html"].decode())
    (section,) = page.xpath("//section[@id='attacks']")
    assert "1 of 1 attacks earns more than the honest answer it imitates by our score, none by the talk's" in words(
        section
    )
    assert [words(node) for node in section.xpath(".//*[contains(@class, 'bad')]")] == ["50.0"]


def test_curves_smooth_and_thin_without_losing_the_trend():
    noisy = [(float(step), float(step) + (-1) ** step * 50) for step in range(1, 1001)]
    smooth = curves.moving_average(noisy, 100)
    assert max(abs(value - step) for step, value in smooth[60:-60]) < 2
    thin = curves.thinned(noisy)
    assert len(thin) == curves.MOST_POINTS
    assert thin[-1][0] == 1000
    assert len(curves.sampled(noisy)) == curves.MOST_ROWS
    assert curves.sampled(noisy)[0] == noisy[0]


def test_a_value_that_is_no_number_is_left_out_of_a_curve(facts):
    jobs = {**facts.jobs, "sft": {**facts.jobs["sft"], "metrics": [{"step_number": n, "loss": v} for n, v in
            ((1, 2.0), (2, float("inf")), (3, 1.0))]}}  # fmt: skip
    files = reporting.build(replace(facts, jobs=jobs))
    assert json.loads(files["report.json"])["curves"]["sft"][1]["loss"] is None
    assert b"Infinity" not in files["report.json"]
    assert curves.points(jobs["sft"]["metrics"], "loss") == [(1.0, 2.0), (3.0, 1.0)]


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (3.0, 3.0), (-0.02, 0.013), (0.0, 0.0), (950.0, 12000.0)])
def test_ticks_span_the_values(low, high):
    found = curves.ticks(low, high)
    assert found[0] <= low <= high <= found[-1]
    assert found[-1] > found[0]
    assert len(found) <= 8


def test_a_curve_of_few_steps_names_whole_steps_only():
    drawn = etree.fromstring(curves.chart("c", "training_loss", {"RFT": [(step, 1.0 / step) for step in range(1, 13)]}))
    below = max(float(mark.get("y")) for mark in drawn.iter("text") if mark.text != "step")
    assert [mark.text for mark in drawn.iter("text") if float(mark.get("y")) == below] == ["5", "10"]


@pytest.mark.parametrize("reach", [0.004, 0.12, 0.49, 0.97])
def test_a_chart_of_differences_holds_every_interval(reach):
    rows = [intervals.Row("a", {"score": {"mean": 0.0, "low": -reach, "high": reach}})]
    low, high, ticks = intervals._domain(rows)
    assert low <= -reach < reach <= high
    assert ticks[2] == 0.0


def test_markup_escapes_everything_but_markup():
    made = element("p", '<b>"', element("b", "&"), title='" onclick="x')
    assert made == '<p title="&quot; onclick=&quot;x">&lt;b&gt;&quot;<b>&amp;</b></p>'
    assert text("a\u2066b\ud83d") == "a\ufffdb\ufffd"


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


THEMES = [
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(
        r":root \{(.*?)\}", re.sub("#([0-9a-f])([0-9a-f])([0-9a-f]);", r"#\1\1\2\2\3\3;", STYLE.read_text()), re.S
    )
]


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark", "print"])
def test_colours_are_readable_in_every_theme(theme):
    texts = [(ink, ground) for ink in ("ink", "soft", "blue", "rust", "bad") for ground in ("page", "card", "shade")]
    for ink, ground in [*texts, ("good", "good-shade"), ("bad", "bad-shade")]:
        assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)
    for line in ("blue", "rust", "teal"):
        assert contrast(theme[line], theme["card"]) >= 3


def test_the_model_card_names_model_data_and_limits(files, report):
    card = files["model_card.md"].decode()
    assert report["outcome"]["model_arn"] in card
    assert report["lineage"]["jobs"]["rft"]["checkpoint"] in card
    assert f"{report['dataset']['counts']['examples']} questions" in card
    weakest = min(report["categories"], key=lambda name: report["categories"][name]["rft"]["score"]["mean"])
    assert weakest.replace("_", " ") in card.partition("## Limits")[2]


def test_the_index_shows_the_newest_run_first(report):
    older = {**report, "run": "run-old", "finished_at": "2026-11-01T00:00:00Z", "outcome": {"registered": False}}
    page = etree.HTML(reporting.index([older, report]))
    assert [words(cell) for cell in page.xpath("//tbody/tr/th")] == [report["run"], "run-old"]
    assert page.xpath("//tbody//a/@href") == [f"./{report['run']}/report.html", "./run-old/report.html"]
    assert words(page.find(".//h1")) == "2 runs, 1 with a registered model"
    assert f"{100 * report['arms']['sft']['score']['mean']:.1f}" in words(page.xpath("//tbody/tr")[0])


def test_the_index_of_nothing_and_of_hostile_names(report):
    assert "No run has a report yet" in reporting.index([])
    page = etree.HTML(reporting.index([{**report, "run": "javascript:alert(1)//<script>"}]))
    assert page.xpath("//script") == []
    assert page.xpath("//tbody//a/@href")[0].startswith("./")


def test_numbers_stand_flush_right_under_heads_that_do_the_same(page):
    for table in page.xpath("//table[tbody/tr]"):
        heads = [head.get("class") for head in table.xpath("./thead/tr/th")][1:]
        cells = [cell.get("class") for cell in table.xpath("./tbody/tr[1]/td")]
        assert [head == "number" for head in heads] == [cell == "number" for cell in cells]


def test_a_visible_caption_stands_outside_of_what_scrolls_away(page):
    shown = page.xpath("//p[@class='caption']")
    assert shown
    for caption in shown:
        (scrolling,) = caption.xpath("./following-sibling::*[1]")
        assert scrolling.get("class") == "scroll" and scrolling.get("aria-label") == words(caption)


def test_no_visible_caption_repeats_a_heading(page):
    headings = {words(heading) for heading in page.xpath("//h2 | //h3")}
    assert not headings & {words(caption) for caption in page.xpath("//p[@class='caption']")}


def test_numbers_below_zero_stand_with_a_minus_sign_and_no_hyphen(page):
    cells = [words(cell) for cell in page.xpath("//td[@class='number']")]
    assert any("\N{MINUS SIGN}" in cell for cell in cells)
    assert not [cell for cell in cells if re.search(r"(?<!\w)-\d", cell)]


def test_a_job_has_the_same_colour_in_every_chart(page):
    kinds = {}
    for figure in page.xpath("//section[@id='training']//figure"):
        for key in figure.xpath(".//span[@class='key']"):
            kinds.setdefault(words(key), set()).add(key.xpath("string(.//*[local-name()='path']/@class)"))
    assert len(kinds) == 3 and all(len(found) == 1 for found in kinds.values())
    assert len(set.union(*kinds.values())) == 3
