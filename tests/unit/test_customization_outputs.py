"""What finished and failed jobs leave behind, and what jobs cost."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from toolsmith.customization import classify_failure, cost, failure_class, load_profile, read_output
from toolsmith.customization.outputs import check_finite, check_learning, inference_text, read_files
from toolsmith.errors import ArtefactMissing, InvalidInput, TrainingDiverged
from toolsmith.pipeline import training

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = "s3://customer-escrow-111122223333-smtj-abcdef/run-1-sft-1/step_100"


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def test_manifest_and_every_numeric_column_are_read():
    csv = b"step_number,epoch_number,train_reward_mean,note\n1,0,0.25,x\n2,0,0.5,y\n"
    manifest = json.dumps({"checkpoint_s3_bucket": CHECKPOINT, "later": 1}).encode()
    found = read_output(archive({"manifest.json": manifest, "sub/step_wise_training_metrics.csv": csv}))
    assert found.checkpoint == CHECKPOINT
    assert found.metrics[1] == {"step_number": 2.0, "epoch_number": 0.0, "train_reward_mean": 0.5}


def test_a_model_that_the_service_keeps_stands_for_the_checkpoint():
    model = "arn:aws:sagemaker:us-east-1:111122223333:model-package/tools/1"
    manifest = json.dumps({"checkpoint_s3_bucket": CHECKPOINT}).encode()
    csv = b"step_number,training_loss\n1,0.5\n"
    assert read_files({"output/output/manifest.json": manifest}, model).checkpoint == model
    found = read_files({"model-customization-job-1/training_artifacts/step_wise_training_metrics.csv": csv}, model)
    assert (found.checkpoint, found.metrics) == (model, [{"step_number": 1.0, "training_loss": 0.5}])


def test_answers_of_an_evaluation_are_read_from_their_list_form():
    line = json.dumps({"prompt": "q", "inference": "['{\"a\": 1}']", "gold": "g", "metadata": "id1"}).encode()
    found = read_output(archive({"run/eval_results/inference_output.jsonl": line + b"\n"}))
    assert inference_text(found.answers[0]["inference"]) == '{"a": 1}'
    assert inference_text("[1, 2]") == "[1, 2]"
    assert inference_text("['unclosed") == "['unclosed"


MANIFESTS = [b"{", b"[]", b"{}", b'{"checkpoint_s3_bucket": null}', b'{"checkpoint_s3_bucket": "escrow/step_1"}']


@pytest.mark.parametrize(
    "data",
    [b"", b"no archive", archive({"readme.txt": b"x"}), archive({"e/results_1.json": b"{"})]
    + [archive({"manifest.json": manifest}) for manifest in MANIFESTS],
)
def test_a_job_that_left_nothing_usable_is_named(data):
    """Row 23 of the fault list: Completed, and the artefact absent or corrupt."""
    with pytest.raises(ArtefactMissing):
        read_output(data)


@pytest.mark.parametrize(
    ("uri", "step"),
    [(CHECKPOINT, 100), (CHECKPOINT + "/", 100), (CHECKPOINT.rpartition("/")[0], None)],
)
def test_both_forms_of_a_checkpoint_are_taken(uri, step):
    found = read_output(archive({"output/manifest.json": json.dumps({"checkpoint_s3_bucket": uri}).encode()}))
    assert (found.checkpoint, found.step()) == (uri, step)


def test_results_are_read_from_the_newest_file_and_details_are_named():
    def results(value):
        task = {"lambda_reward_score": value, "note": "x"}
        return json.dumps({"results": {"custom|rft_eval_rft_eval|0": task}}).encode()

    folder = "run/eval_results"
    found = read_output(
        archive(
            {
                f"{folder}/results_2026-11-23T08-00.json": results(0.75),
                f"{folder}/results_2026-11-22T08-00.json": results(0.25),
                f"{folder}/details/model/t/details_rft_eval_#_t.parquet": b"PAR1",
            }
        )
    )
    assert found.checkpoint is None and found.answers == []
    assert found.scores() == {"custom|rft_eval_rft_eval|0": {"lambda_reward_score": 0.75}}
    assert [Path(name).suffix for name in found.details] == [".parquet"]


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_loss_that_is_not_finite_stops_the_run(value):
    with pytest.raises(TrainingDiverged, match="step 2"):
        check_finite([{"step_number": 1.0, "training_loss": 1.0}, {"step_number": 2.0, "training_loss": float(value)}])


REASONS = {
    "exists": [
        "Training job names must be unique within an AWS account and region",
        "ResourceInUse: job already exists",
        "An error occurred (ResourceInUse) when calling CreateTrainingJob",
    ],
    "quota": [
        "The account-level service limit 'ml.p5.48xlarge for training job usage' is 0 Instances",
        "ResourceLimitExceeded",
        "ServiceQuotaExceededException: too many jobs",
    ],
    "capacity": [
        "CapacityError: Unable to provision requested ML compute capacity. Please retry.",
        "InsufficientCapacity: no p5 left",
    ],
    "diverged": [
        "AlgorithmError: loss is NaN at step 3",
        "AlgorithmError: training diverged, exit code: 1",
        "the loss is not finite",
    ],
    "spot": ["Interrupted", "MaxWaitTimeExceeded", "Spot instance was reclaimed"],
    "stopped": ["Stopped", "MaxRuntimeExceeded", "The job was stopped by the user"],
    "validation": [
        "ClientError: Data is not in the right format",
        "ValidationException: 2 validation errors detected",
        "Incompatible model training techniques detected",
        "Base model for the job extracted from model_name_or_path does not match model_type",
        "AlgorithmError: Engine core initialization failed",
    ],
    "algorithm": ["AlgorithmError: exit code 1", "InternalServerError: We encountered an internal error", ""],
}


@pytest.mark.parametrize(("kind", "reason"), [(kind, text) for kind, texts in REASONS.items() for text in texts])
def test_failures_are_told_apart(kind, reason):
    """Rows 18 to 22 and 24 of the fault list, by the texts that the service writes."""
    assert failure_class(reason) == kind
    assert classify_failure(reason) == ("capacity" if kind == "quota" else kind)


@pytest.mark.parametrize("reason", ["AlgorithmError: nanosecond clock", "AlgorithmError: banana", "finance.py line 3"])
def test_words_that_hold_nan_are_no_divergence(reason):
    assert failure_class(reason) == "algorithm"


def curves(reward, entropy=None, advantage=None) -> list[dict[str, float]]:
    columns = {"step_number": list(range(len(reward))), "critic/rewards/mean": reward}
    columns |= {"actor/entropy": entropy} if entropy else {}
    columns |= {"max_advantage": advantage} if advantage else {}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        (curves([0.5] * 10 + [0.01] * 5), "reward collapsed"),
        (curves([0.5] * 15, entropy=[1.0] * 8 + [0.02] * 7), "entropy collapsed"),
        (curves([0.5] * 15, advantage=[0.0] * 15), "equal rewards"),
    ],
)
def test_reinforcement_that_went_wrong_is_named(rows, word):
    with pytest.raises(TrainingDiverged, match=word):
        check_learning(rows)


def test_reinforcement_that_learns_passes():
    rising = [0.2 + 0.04 * step for step in range(15)]
    falling = [1.0 * 0.7**step for step in range(15)]
    check_learning(curves(rising, entropy=falling, advantage=[1.0] * 15))
    check_learning(curves([0.5, 0.01]))
    check_learning([{"step_number": 1.0, "training_loss": 0.4}] * 40)
    check_learning([])


PRICES = {
    "instance_hour": {"ml.big": 10.0},
    "million_tokens": {"nova-pro": {"input": 1.0, "output": 4.0}},
    "state_transition": 0.001,
    "per_chunk": {"input_tokens": 1000, "output_tokens": 500, "transitions": 3},
    "per_document": {"transitions": 20},
    "per_run": {"transitions": 100},
}
STAGES = {"sft": {"instance_type": "ml.big", "instance_count": 4, "expected_hours": 0.5}}


def test_a_run_costs_its_jobs_and_its_transitions():
    job, moves = cost.estimate_run(STAGES, ["sft"], PRICES)
    assert (job["usd"], moves["usd"]) == (20.0, 0.1)
    with pytest.raises(InvalidInput, match="offers no rft"):
        cost.estimate_run(STAGES, ["sft", "rft"], PRICES)


def test_teaching_costs_tokens_and_transitions():
    teach, moves = cost.estimate_teaching("us.amazon.nova-pro-v1:0", 1000, PRICES, documents=10, repairs=0.0)
    assert teach["usd"] == pytest.approx(1.0 + 2.0)
    assert moves["usd"] == pytest.approx((3 * 1000 + 20 * 10) * 0.001)
    again = cost.estimate_teaching("us.amazon.nova-pro-v1:0", 1000, PRICES, repairs=0.5)[0]
    assert again["usd"] == pytest.approx(1.5 * teach["usd"])


def test_every_instance_of_the_recipes_has_a_price():
    for student in ("nova-2-lite", "nova-1"):
        used = {entry["instance_type"] for entry in load_profile(student).stages.values()}
        assert used <= set(cost.prices()["instance_hour"])


def test_the_readme_shows_the_table_that_the_prices_give():
    table = cost.markdown_table(load_profile("nova-2-lite").stages, cost.prices())
    assert table in (ROOT / "README.md").read_text(encoding="utf-8"), f"README.md lacks the lines:\n{table}"


def test_a_stopped_job_of_bedrock_is_said_to_be_stopped_and_not_shown_as_it_was_described():
    cause = json.dumps({"JobName": "run-1-sft-1", "Status": "Stopped", "HyperParameters": {"epochCount": "6"}})
    told = training.explain(cause)
    assert (told["job"], told["reason"]) == ("run-1-sft-1", "it is Stopped")
    failed = {"JobName": "run-1-sft-1", "Status": "Failed", "FailureMessage": "no rows"}
    assert training.explain(json.dumps(failed))["reason"] == "no rows"
