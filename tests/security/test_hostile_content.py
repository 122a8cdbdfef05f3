"""Hostile files, and documents that hold secrets, through the whole pipeline."""

import io
import json

from tests.workflows.bench import INTAKE, WORK, Bench
from toolsmith.aws import handler

# Larger ones are parsed within their limits by tests/documents/test_hostile.py; teaching them is only more of the same.
LARGEST = 20_000
TRICKS = ("../../etc/passwd", "a/../../b.htm", "..%2f..%2fetc%2fpasswd", "con\u202egpj.htm", "a\x00b.htm", "x" * 900)
FOLDERS = ("batch/", "documents/", "ledger/", "maps/", "teaching/")
SEEDS = {
    "AWS key": "AKIAQ7SEEDED4TEST9Z0",
    "AWS secret": "aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYSEEDEDKEY0",
    "token": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "social security number": "078-05-1120",
    "card": "4111 1111 1111 1111",
    "private key": "-----BEGIN RSA PRIVATE KEY-----",
}
# The embedded teacher asks about passages with these; the others of SEEDS it passes over.
ASKED_ABOUT = ("AWS key", "AWS secret", "social security number", "card")


def seeded(number: int, seed: str) -> bytes:
    """A rule whose only sentence has the secret, so that what is quoted for a question has it too."""
    part = 230 + number
    return (
        f"TITLE 17 PART {part}\n§ {part}.{number + 1} Conditions of sale {number}.\n"
        "An issuer must furnish audited statements under section 5 of the Securities Act to each purchaser before "
        f"sale number {number}, and must show {seed} for {number + 2} years.\n"
    ).encode()


def logged(bench: Bench) -> io.StringIO:
    log = io.StringIO()
    bench.set(handler._logger().registered_handler, "stream", log)
    return log


def outside(bench: Bench) -> str:
    """Everything that leaves the stack for people and other systems."""
    return json.dumps([bench.events, bench.mails])


def test_hostile_files_end_ingested_or_set_aside_and_harm_nothing(shared, tmp_path):
    files = {path.name: path.read_bytes() for path in sorted((shared / "data/nasty").iterdir())
             if path.stat().st_size <= LARGEST and path.name != "NASTY.tsv"}  # fmt: skip
    bench = Bench(tmp_path, TeacherMode="on-demand", ChunkSize=20000, ChunksPerBatch=50)
    try:
        log = logged(bench)
        for name in [bench.drop(f"incoming/{name}", data) for name, data in files.items()]:
            bench.succeeded(name)
        told = bench.told()
        assert told.count("Document Ingested") + told.count("Document Rejected") == len(told) == len(files)
        assert told.count("Document Rejected") > 5
        assert all(key.startswith(FOLDERS) for key in bench.objects.keys(WORK))
        lessons = "".join(data.decode() for key, data in bench.objects.tree(WORK, "teaching/").items()
                          if "/answers/" not in key)  # fmt: skip
        for words in ("CANARY", "root:x:0", "169.254.169.254"):
            assert words not in lessons and words not in log.getvalue() and words not in outside(bench), words
    finally:
        bench.close()


def test_a_key_that_plays_tricks_is_a_key_like_any_other(bench):
    names = [bench.drop(f"incoming/{trick}", b"") for trick in TRICKS]
    for name in names:
        bench.succeeded(name)
    assert len({event["key"] for event in bench.told("Document Rejected")}) == len(TRICKS)
    assert bench.objects.keys(WORK) == []
    assert all(key.startswith("rejected/incoming/") for key in bench.objects.keys(INTAKE))


def test_seeded_secrets_reach_no_dataset_log_event_or_mail(settled, capsys):
    log = logged(settled)
    for number, seed in enumerate(SEEDS.values()):
        settled.succeeded(settled.drop(f"incoming/{number}.txt", seeded(number, seed)))
    settled.succeeded(settled.drop("runs/all.json", {"dry_run": True}))
    made = settled.told("Dataset Ready")[-1]["prefix"]
    dataset = "".join(data.decode() for data in settled.objects.tree(WORK, f"{made}/").values())
    out = capsys.readouterr()
    said = {"dataset": dataset, "log": log.getvalue(), "output": out.out + out.err, "outside": outside(settled)}
    lessons = "".join(data.decode() for data in settled.objects.tree(WORK, "teaching/").values())
    assert [kind for kind in ASKED_ABOUT if SEEDS[kind] not in lessons] == []
    assert len(dataset) > 10_000 and '"message":"done"' in said["log"]
    found = [(place, kind) for place, text in said.items() for kind, seed in SEEDS.items() if seed in text]
    assert found == []
