"""The training container's contract: channels in, metrics, checkpoints, results or a reason out."""

import io
import json
import math
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from local.student import base, batches, job, records, rft, serve, settings, sft
from local.student.augment import Augmenter
from toolsmith import catalog, recipes
from toolsmith.customization import outputs
from toolsmith.grading import grade_samples

ROOT = Path(__file__).resolve().parents[2]
LAWS = ["17 CFR 230.501(a)", "17 CFR 240.10b-5", "17 CFR 229.303", "Rule 144(e)", "17 CFR 230.506(b)", "Rule 13d-1"]
ARN = "arn:aws:lambda:us-east-1:000000000000:function:SageMaker-reward"


def plan(law):
    calls = [{"name": "statute_retrieval", "arguments": {"regulation": law}}]
    return {"category": "regulatory_definition", "calls": calls}


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def write(file, rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def prepare(root, technique, rows, name, changes):
    recipe_name = {"sft": "sft-lora", "rft": "rft-lora", "evaluate": "evaluate"}[technique]
    tree = yaml.safe_load(recipes.path(f"local/{recipe_name}.yaml").read_text())
    for dotted, value in changes.items():
        *path, last = dotted.split(".")
        block = tree
        for part in path:
            block = block[part]
        block[last] = value
    write(root / "input" / "data" / "train" / name, rows)
    folder = root / "input" / "data" / "recipe"
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(tree))
    return {"SM_BASE": str(root), "SM_TECHNIQUE": technique, "TRAINING_JOB_NAME": "job"}


def system():
    return catalog.student_system_prompt(catalog.load_catalog())


def sft_rows():
    return [
        {
            "schemaVersion": "bedrock-conversation-2024",
            "system": [{"text": system()}],
            "messages": [
                {"role": "user", "content": [{"text": f"What does {law} say?"}]},
                {"role": "assistant", "content": [{"text": compact(plan(law))}]},
            ],
        }
        for law in LAWS
    ]


def rft_rows():
    return [
        {
            "id": f"q{n}",
            "messages": [
                {"role": "system", "content": system()},
                {"role": "user", "content": f"Tell me what {law} says."},
            ],
            "reference_answer": plan(law),
            "note": n,
        }
        for n, law in enumerate(LAWS)
    ]


def gen_qa_rows():
    return [
        {"query": f"What does {law} say?", "response": compact(plan(law)), "system": system(), "metadata": f"m{n}"}
        for n, law in enumerate(LAWS)
    ]


def archive(root):
    """What the engine makes of output/data, read by the code that reads real jobs."""
    buffer = io.BytesIO()
    manifest = json.dumps({"checkpoint_s3_bucket": "s3://customer-escrow-1-smtj-x/job/step_1"}).encode()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("manifest.json")
        info.size = len(manifest)
        tar.addfile(info, io.BytesIO(manifest))
        for file in sorted((root / "output" / "data").rglob("*")):
            if file.is_file():
                tar.add(file, str(file.relative_to(root / "output" / "data")))
    return outputs.read_output(buffer.getvalue())


@pytest.fixture(scope="module")
def sft_job(tmp_path_factory):
    root = tmp_path_factory.mktemp("sft")
    changes = {"training_config.max_steps": 12, "training_config.save_steps": 8, "training_config.max_rows": 5,
               "training_config.global_batch_size": 4}  # fmt: skip
    environment = prepare(root, "sft", sft_rows(), "train.jsonl", changes)
    write(root / "input" / "data" / "validation" / "validation.jsonl", sft_rows()[:2])
    assert job.run(environment) == 0
    return root


def test_sft_writes_metrics_and_checkpoints_that_load(sft_job):
    metrics = archive(sft_job).metrics
    assert [row["step_number"] for row in metrics] == list(range(1, 13))
    assert set(metrics[0]) == {"step_number", "epoch_number", "training_loss"}
    assert metrics[-1]["training_loss"] < 0.5 * metrics[0]["training_loss"]
    assert metrics[-1]["epoch_number"] == pytest.approx(12 * 4 / 5)
    assert sorted(p.name for p in (sft_job / "checkpoints").iterdir()) == ["step_12", "step_8"]
    _, model = base.load(sft_job / "checkpoints" / "step_12")
    _, start = base.load()
    weights = zip(model.state_dict().values(), start.state_dict().values(), strict=True)
    assert any(not a.equal(b) for a, b in weights)
    assert (sft_job / "checkpoints" / "step_12" / "adapter" / "adapter_model.safetensors").is_file()


def test_rft_starts_from_a_checkpoint_and_asks_the_reward_function_with_the_documented_event(sft_job, tmp_path):
    events = []

    def invoke(arn, event):
        events.append((arn, json.loads(json.dumps(event))))
        return grade_samples(event)

    changes = {
        "training_config.trainer.max_steps": 2, "training_config.trainer.save_steps": 2,
        "training_config.global_batch_size": 3, "training_config.rollout.generator.max_new_tokens": 40,
        "training_config.rollout.rewards.api_endpoint.lambda_arn": ARN,
        "training_config.rollout.rewards.api_endpoint.lambda_batch_size": 10,
    }  # fmt: skip
    environment = prepare(tmp_path, "rft", rft_rows(), "train.jsonl", changes)
    environment["SM_BASE_CHECKPOINT"] = str(sft_job / "checkpoints" / "step_12")
    assert job.run(environment, invoke) == 0
    every = len(rft_rows())
    asked_first = [every, every]  # every reference plan, to show it; one answer to every prompt, to find the wrong ones
    assert [len(event) for _, event in events] == asked_first + [10, 10, 4] * 2
    assert {arn for arn, _ in events} == {ARN}
    for _, event in events:
        ids = [sample["id"] for sample in event]
        assert len(set(ids)) == len(ids)
        for sample in event:
            assert [m["role"] for m in sample["messages"]] == ["system", "user", "assistant"]
            assert sample["reference_answer"]["calls"] and "note" in sample
    metrics = archive(tmp_path).metrics
    assert list(metrics[0]) == list(job.RFT_COLUMNS)
    assert all(math.isfinite(value) for row in metrics for value in row.values())
    assert all(row["min_advantage"] <= row["mean_advantage"] <= row["max_advantage"] for row in metrics)
    base.load(tmp_path / "checkpoints" / "step_2")


def test_bedrocks_jobs_hand_the_reference_over_below_metadata(sft_job, tmp_path):
    events = []

    def invoke(arn, event):
        events.append(json.loads(json.dumps(event)))
        return grade_samples(event)

    changes = {
        "training_config.trainer.max_steps": 1, "training_config.global_batch_size": 2,
        "training_config.rollout.generator.max_new_tokens": 8,
        "training_config.rollout.rewards.api_endpoint.lambda_arn": ARN,
    }  # fmt: skip
    environment = prepare(tmp_path, "rft", rft_rows(), "train.jsonl", changes)
    environment |= {"SM_BASE_CHECKPOINT": str(sft_job / "checkpoints" / "step_12"), "GRADER_FORM": "bedrock"}
    assert job.run(environment, invoke) == 0
    samples = [sample for event in events for sample in event]
    assert all(set(sample) == {"id", "messages", "metadata"} for sample in samples)
    assert all(sample["metadata"]["reference_answer"]["calls"] and "note" in sample["metadata"] for sample in samples)


def test_evaluation_writes_what_gen_qa_writes(sft_job, tmp_path):
    environment = prepare(tmp_path, "evaluate", gen_qa_rows(), "gen_qa.jsonl", {"inference.max_new_tokens": 60})
    environment["SM_BASE_CHECKPOINT"] = str(sft_job / "checkpoints" / "step_12")
    assert job.run(environment) == 0
    found = archive(tmp_path)
    assert [row["metadata"] for row in found.answers] == [f"m{n}" for n in range(len(LAWS))]
    texts = [outputs.inference_text(row["inference"]) for row in found.answers]
    right = sum(text == row["gold"] for text, row in zip(texts, found.answers, strict=True)) / len(texts)
    assert found.results["results"]["custom|gen_qa_gen_qa|0"]["exact_match"] == pytest.approx(right)
    assert texts[0].startswith('{"category"')


def test_evaluation_asks_the_metrics_function_only_when_the_recipe_names_it(sft_job, tmp_path):
    asked = []

    def invoke(arn, event):
        asked.append(event)
        return {"statusCode": 200, "body": [{"metric": "score", "value": len(asked)}]}

    changes = {"inference.max_new_tokens": 4, "processor.lambda_arn": ARN, "processor.lambda_type": "custom_metrics"}
    environment = prepare(tmp_path, "evaluate", gen_qa_rows(), "gen_qa.jsonl", changes)
    assert job.run(environment, invoke) == 0
    assert [event["process_type"] for event in asked] == ["postprocess"] * len(LAWS)
    results = archive(tmp_path).results["results"]["custom|gen_qa_gen_qa|0"]
    assert results["score"] == pytest.approx((1 + len(LAWS)) / 2)


@pytest.mark.parametrize(
    ("technique", "row", "changes", "reason"),
    [
        ("sft", {"messages": []}, {}, "ClientError: train.jsonl, line 1"),
        ("rft", {"messages": [{"role": "user", "content": "x"}]}, {}, "lambda_arn is empty"),
        ("evaluate", {"query": 1}, {}, "line 1: query or response"),
        ("sft", sft_rows()[0], {"training_config.max_steps": "many"}, "training_config.max_steps"),
        ("sft", sft_rows()[0], {"training_config.optim_config.lr": 1e30}, "TrainingDiverged"),
    ],
)
def test_what_cannot_run_leaves_a_reason(tmp_path, technique, row, changes, reason):
    name = "gen_qa.jsonl" if technique == "evaluate" else "train.jsonl"
    environment = prepare(tmp_path, technique, [row], name, changes)
    assert job.run(environment, lambda arn, event: grade_samples(event)) == 1
    assert reason in (tmp_path / "output" / "failure").read_text()


def test_a_reward_function_that_forgets_a_sample_stops_the_job():
    sample = {"id": "a#0"}
    with pytest.raises(Exception, match="a#0"):
        rft.grade([sample], lambda event: [], 128)
    with pytest.raises(Exception, match="finite"):
        rft.grade([sample], lambda event: [{"id": "a#0", "aggregate_reward_score": float("nan")}], 128)


def test_advantages_keep_the_best_and_worst_and_drop_flat_groups():
    rewards = torch.tensor([[0.0, 1.0, 0.5, 0.25], [0.7, 0.7, 0.7, 0.7]])
    worth = rft.advantages(rewards, best=1, worst=1, negative=0.5)
    assert worth[0, 1] > 0 > worth[0, 0]
    assert worth[0, 0].item() == pytest.approx(-worth[0, 1].item() / 2)
    assert worth[0, 2] == worth[0, 3] == 0
    assert not worth[1].any()


def test_the_pool_begins_with_the_wrong_ones_and_comes_back_to_the_seldom_right_ones_first():
    asked = [records.Prompt(str(n), "", "q", "r") for n in range(8)]
    pool = rft.Pool(asked, seed=0)
    pool.put_first([int(p.id) >= 5 for p in pool.prompts])
    first = pool.draw(4)
    assert {p.id for p in first[:3]} == {"5", "6", "7"}
    pool.note(first, torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.5, 0.5], [0.0, 0.2]]))
    second = pool.draw(4)
    assert {p.id for p in first} | {p.id for p in second} == {str(n) for n in range(8)}
    pool.note(second, torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.2], [0.3, 0.3]]))
    third = [p.id for p in pool.draw(5)]
    assert set(third[:3]) == {first[2].id, first[3].id, second[3].id}  # never right, flat or not
    assert set(third[3:]) == {first[0].id, second[2].id}  # right at times; those always right are left out


def actor_with_demonstrations(grader):
    tree = yaml.safe_load(recipes.path("local/rft-lora.yaml").read_text())
    tree["training_config"]["rollout"]["advantage_strategy"]["demonstrations"] = 2
    tokenizer, model = base.load()
    return rft.Actor(model, tokenizer, settings.rft(tree), grader)


def test_reference_plans_that_earn_everything_are_demonstrated_and_the_rest_is_explored():
    right, wrong = ({"category": "regulatory_definition", "calls": plan(law)["calls"]} for law in LAWS[:2])
    asked = [
        records.Prompt("labelled", "S", f"What does {LAWS[0]} say?", right),
        records.Prompt("mislabelled", "S", f"What does {LAWS[1]} say?", wrong),
        records.Prompt("unlabelled", "S", LAWS[2], {"facts": {"laws": []}}),
    ]
    seen = []

    def grader(event):
        seen.extend(event)
        return [{"id": s["id"], "aggregate_reward_score": 1.0 if s["id"] == "labelled#0" else 0.8} for s in event]

    actor = actor_with_demonstrations(grader)
    assert [p.id for p in actor.study(asked)] == ["mislabelled", "unlabelled"]
    assert [s["id"] for s in seen] == ["labelled#0", "mislabelled#0"]
    lesson = next(actor.lessons)[0]
    shown = actor.tokenizer.decode(lesson.ids[lesson.answer :], skip_special_tokens=True)
    assert json.loads(shown) == right


def spoken(tokenizer, told):
    """The question of a row and its answer, as text."""
    asked = tokenizer.decode(told.ids[: told.answer], skip_special_tokens=True)
    return asked, tokenizer.decode(told.ids[told.answer :], skip_special_tokens=True)


def test_supervised_rows_are_told_anew_as_the_recipe_says(monkeypatch):
    seen = []

    def loss(model, rows, groups, by_row):
        seen.extend(rows)
        return batches.answer_loss(model, rows, groups, by_row)

    monkeypatch.setattr(sft, "answer_loss", loss)
    tree = yaml.safe_load(recipes.path("local/sft-lora.yaml").read_text())
    tree["training_config"] |= {"max_steps": 2, "augmentation": {"exchange": 1.0}}
    tokenizer, model = base.load()
    labelled = [records.Labelled("S", f"What does {law} say?", compact(plan(law))) for law in LAWS]
    sft.train(model, tokenizer, labelled, settings.sft(tree), lambda *measured: None)
    told = [spoken(tokenizer, row) for row in seen]
    assert len(set(told[: len(LAWS)])) < len(LAWS)  # as they are, each would come up once before any comes up again
    for asked, answer in told:
        law = json.loads(answer)["calls"][0]["arguments"]["regulation"]
        assert f"What does {law} say?" in asked


def test_a_row_that_gets_too_long_stays_as_it_was():
    tokenizer, _ = base.load()
    long = "Section 11 of the Securities Act of 1933 as amended by the National Securities Markets Improvement Act"
    item = records.Labelled("S", "What does Rule 144 say?", compact(plan("Rule 144")))
    other = f"What does {long} say?", compact(plan(long))
    augmenter = Augmenter([other], settings.Augmentation(exchange=1.0), 0)
    (plain,) = sft.encode(tokenizer, [item], 1000)
    assert long in spoken(tokenizer, sft.retold(tokenizer, augmenter, item, plain))[0]
    assert sft.retold(tokenizer, augmenter, item, plain, longest=len(plain.ids)) is plain


def test_answers_learnt_from_again_are_told_with_values_of_the_reference_plans(monkeypatch):
    known = records.Prompt("labelled", "S", f"What does {LAWS[0]} say?", plan(LAWS[0]))
    drawn_for = records.Prompt("unlabelled", "S", f"{LAWS[1]} says what", {"facts": {"laws": []}})
    actor = actor_with_demonstrations(lambda event: [{"id": s["id"], "aggregate_reward_score": 1.0} for s in event])
    actor.settings = replace(actor.settings, augmentation=settings.Augmentation(exchange=1.0), updates=1)
    assert actor.study([known, drawn_for]) == [drawn_for]
    start = batches.prompt_ids(actor.tokenizer, "S", drawn_for.question)
    answer = batches.answer_ids(actor.tokenizer, compact(plan(LAWS[1])))
    actor.kept.note(rft.Drawn([drawn_for], [start], [answer], torch.ones(1, 1)))
    parts = []
    monkeypatch.setattr(rft, "_update", lambda model, given, temperature: parts.extend(given) or 0.0)
    monkeypatch.setattr(rft.adapters, "apply", lambda *given: 0.0)
    actor.learn(None, [])
    asked, text = spoken(actor.tokenizer, parts[1][0].row)
    assert f"{LAWS[0]} says what" in asked and text == compact(plan(LAWS[0]))


def test_answers_are_drawn_in_parts_and_stay_with_their_prompts(monkeypatch):
    asked = [records.Prompt(str(n), "S", f"What does {law} say?", {"facts": {}}) for n, law in enumerate(LAWS)]
    sizes = []

    class Echo:
        """Answers every prompt with itself."""

        def __init__(self, model, end):
            pass

        def sample(self, prompts, each, most, temperature):
            sizes.append(len(prompts) * each)
            return [ids for ids in prompts for _ in range(each)]

    monkeypatch.setattr(rft, "Sampler", Echo)
    monkeypatch.setattr(rft, "ANSWERS_A_PASS", 5)
    actor = actor_with_demonstrations(lambda event: [{"id": s["id"], "aggregate_reward_score": 0.5} for s in event])
    drawn = actor.answer(asked, 2)
    assert drawn.answers == [ids for ids in drawn.starts for _ in range(2)]
    assert len(drawn.starts) == len(asked) and max(sizes) <= 5 and drawn.rewards.shape == (len(asked), 2)


def test_a_reward_that_grants_nothing_leaves_no_demonstrations():
    asked = [records.Prompt("labelled", "S", LAWS[0], {"category": "regulatory_definition", "calls": []})]
    actor = actor_with_demonstrations(lambda event: [{"id": s["id"], "aggregate_reward_score": 0.5} for s in event])
    assert actor.study(asked) == asked and actor.lessons is None


def test_reinforcement_raises_the_reward():
    """A reward for short answers: within a few steps the answers get shorter."""
    tree = yaml.safe_load(recipes.path("local/rft-lora.yaml").read_text())
    tree["training_config"]["global_batch_size"] = 3
    tree["training_config"]["trainer"]["max_steps"] = 10
    tree["training_config"]["rollout"]["generator"]["max_new_tokens"] = 24
    tokenizer, model = base.load()
    steps = []
    asked = [records.Prompt(f"p{n}", "", f"Say {law}", "x") for n, law in enumerate(LAWS)]

    def shorter(event):
        return [{"id": s["id"], "aggregate_reward_score": -len(s["messages"][-1]["content"]) / 100} for s in event]

    rft.train(model, tokenizer, asked, settings.rft(tree), shorter, steps.append)
    first = sum(s.reward for s in steps[:2]) / 2
    last = sum(s.reward for s in steps[-2:]) / 2
    assert last > first + 0.05


def test_the_server_answers_lines_and_names_bad_ones(sft_job):
    model = sft_job / "checkpoints" / "step_12"
    question = {
        "id": "1",
        "system": system(),
        "messages": [{"role": "user", "text": "What does Rule 144(e) say?"}],
        "max_tokens": 60,
    }
    out = io.StringIO()
    serve.serve(
        model, [json.dumps(question) + "\n", "{broken\n", json.dumps({"id": "2"}) + "\n", json.dumps(question)], out
    )
    first, broken, empty, again = [json.loads(line) for line in out.getvalue().splitlines()]
    assert first["text"].startswith('{"category"') and first["output_tokens"] > 5 and first["input_tokens"] > 100
    assert "not JSON" in broken["error"]
    assert empty["id"] == "2" and "unreadable" in empty["error"]
    assert again == first


def test_the_module_runs_as_the_container_does(tmp_path):
    environment = prepare(
        tmp_path, "sft", sft_rows(), "train.jsonl", {"training_config.max_steps": 1, "training_config.save_steps": 1}
    )
    path = os.pathsep.join((str(ROOT), str(ROOT / "layers" / "toolsmith")))
    done = subprocess.run([sys.executable, "-m", "local.student"], cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, **environment, "PYTHONPATH": path}, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "global_step=1 reduced_train_loss=" in done.stdout
    assert "Training is complete" in done.stdout
