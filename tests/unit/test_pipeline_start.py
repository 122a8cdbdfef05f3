"""What an arriving event starts, and that a redelivered event starts nothing twice."""

from tests.unit.memory import MemoryLedger
from toolsmith.pipeline import start

SETTINGS = {"student": "local", "teacher": "t", "seed": 0}


def arrived(key: str, version: str = "v1") -> dict:
    return {"bucket": {"name": "intake"}, "object": {"key": key, "version-id": version, "size": 3, "sequencer": "00A"}}


def settled(ledger: MemoryLedger, digest: str, examples: int) -> None:
    ledger.register("DOCUMENT", digest, {"status": "settled", "examples": examples, "kept": 1, "repaired": 0})


def test_the_prefix_chooses_the_machine():
    chosen = {key: start.from_object(arrived(key)) for key in ("incoming/a.txt", "requests/a.json", "runs/a.json")}
    assert [found.machine for found in chosen.values()] == ["ingest", "crawl", "customize"]
    assert start.from_object(arrived("rejected/a.txt")) is None
    assert start.from_object(arrived("incoming/folder/")) is None


def test_the_same_delivery_has_the_same_name_and_another_version_another():
    first, again = start.from_object(arrived("incoming/a.txt")), start.from_object(arrived("incoming/a.txt"))
    other = start.from_object(arrived("incoming/a.txt", "v2"))
    assert first == again
    assert first.name != other.name
    assert len(start.from_object(arrived("runs/x.json")).name) <= 40


def test_names_keep_key_and_version_apart():
    one = start.from_object(arrived("incoming/a", "bc"))
    two = start.from_object(arrived("incoming/ab", "c"))
    assert one.name != two.name


def test_a_run_starts_by_itself_once_there_is_enough():
    ledger = MemoryLedger()
    settled(ledger, "d1", 60)
    assert start.when_enough(ledger, 100, SETTINGS) is None
    settled(ledger, "d2", 40)
    found = start.when_enough(ledger, 100, SETTINGS)
    assert found.machine == "customize"
    assert start.when_enough(ledger, 100, {**SETTINGS, "seed": 1}).name != found.name
    assert start.when_enough(ledger, 0, SETTINGS) is None


def test_a_run_counts_only_what_is_new_since_the_last_one_with_its_settings():
    ledger = MemoryLedger()
    settled(ledger, "d1", 120)
    ledger.register("RUN", "run-1", {"examples": 120, "settings": SETTINGS})
    settled(ledger, "d2", 90)
    assert start.when_enough(ledger, 100, SETTINGS) is None
    assert start.when_enough(ledger, 90, SETTINGS) is not None
    assert start.when_enough(ledger, 100, {**SETTINGS, "seed": 5}) is not None


def test_a_document_on_its_way_is_not_counted():
    ledger = MemoryLedger()
    ledger.register("DOCUMENT", "d1", {"status": "parsed", "chunks": 3})
    assert start.when_enough(ledger, 1, SETTINGS) is None
