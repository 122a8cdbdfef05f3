"""The shared gate: windows that always hold, and a DynamoDB row that no race can break."""

import itertools
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from tests.unit.crawling_stage import START, VirtualClock
from toolsmith.crawling.faults import SourceUnavailable
from toolsmith.crawling.rate import MemoryGate, RateGate, earliest, keep
from toolsmith.crawling.sources import SOURCES, Window
from toolsmith.crawling.table_gate import TableGate

EDGAR, ECFR, COURTS = SOURCES["edgar"], SOURCES["ecfr"], SOURCES["courtlistener"]


@given(
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60),
    windows=st.lists(st.builds(Window, st.integers(1, 6), st.floats(0.1, 5)), min_size=1, max_size=3),
)
def test_no_window_is_ever_exceeded(pauses: list[float], windows: list[Window]) -> None:
    granted: list[float] = []
    everything: list[float] = []
    now = 0.0
    for pause in pauses:
        now += pause
        granted = keep(granted, windows, now)
        slot = earliest(granted, windows, now)
        granted.append(slot)
        everything.append(slot)
    assert everything == sorted(everything)
    for window, start in itertools.product(windows, everything):
        inside = [one for one in everything if start <= one < start + window.seconds - 1e-9]
        assert len(inside) <= window.count


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with mock_aws():
        yield boto3.resource("dynamodb", region_name="us-east-1").create_table(
            TableName="ledger",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("kind", "id")],
            KeySchema=[{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
        )


@pytest.fixture(params=["memory", "table"])
def gate(request: pytest.FixtureRequest) -> tuple[RateGate, VirtualClock]:
    clock = VirtualClock()
    if request.param == "memory":
        return MemoryGate(clock), clock
    return TableGate(request.getfixturevalue("table"), clock), clock


def test_turns_are_spaced(gate: tuple[RateGate, VirtualClock]) -> None:
    turns = [gate[0].reserve(EDGAR) for _ in range(20)]
    assert turns[0] == pytest.approx(START, abs=0.002)
    assert all(later - earlier >= 0.125 - 1e-6 for earlier, later in itertools.pairwise(turns))
    assert turns[19] - turns[0] == pytest.approx(19 * 0.125, abs=0.05)


def test_sources_have_turns_of_their_own(gate: tuple[RateGate, VirtualClock]) -> None:
    for _ in range(10):
        gate[0].reserve(EDGAR)
    assert gate[0].reserve(ECFR) == pytest.approx(START, abs=0.002)


def test_a_stop_holds_until_its_end_and_is_never_shortened(gate: tuple[RateGate, VirtualClock]) -> None:
    here, clock = gate
    here.stop(EDGAR, START + 600)
    here.stop(EDGAR, START + 30)
    assert here.stopped_until(EDGAR) == START + 600
    clock.jump(599)
    with pytest.raises(SourceUnavailable) as caught:
        here.reserve(EDGAR)
    assert caught.value.wait_seconds == pytest.approx(1, abs=0.01)
    clock.jump(2)
    assert here.reserve(EDGAR) >= START + 600
    here.stop(EDGAR, START + 900)
    assert here.stopped_until(EDGAR) == START + 900


def test_a_refused_turn_uses_nothing_up(gate: tuple[RateGate, VirtualClock]) -> None:
    here, clock = gate
    granted = 0
    with pytest.raises(SourceUnavailable):
        while True:
            here.reserve(COURTS)
            granted += 1
    assert granted == 6  # five two seconds apart, one as the minute ends; the next lies beyond the patience
    for _ in range(5):
        with pytest.raises(SourceUnavailable):
            here.reserve(COURTS)
    clock.jump(61)
    assert here.reserve(COURTS) <= clock.now() + 60


class Interfering:
    """A table whose reads are followed, before the reader can write, by another worker's turn."""

    def __init__(self, table: Any, times: int) -> None:
        self._table, self._left, self.meta = table, times, table.meta
        self.turns: list[float] = []

    def get_item(self, **query: Any) -> Any:
        found = self._table.get_item(**query)
        if self._left:
            self._left -= 1
            self.turns.append(TableGate(self._table, VirtualClock()).reserve(EDGAR))
        return found

    def update_item(self, **change: Any) -> Any:
        return self._table.update_item(**change)


@pytest.mark.parametrize("rivals", [1, 5])
def test_a_lost_race_never_gives_one_turn_to_two_workers(table: Any, rivals: int) -> None:
    contested = Interfering(table, rivals)
    clock = VirtualClock()
    mine = TableGate(contested, clock).reserve(EDGAR)
    turns = sorted([mine, *contested.turns])
    assert len(turns) == rivals + 1
    assert all(later - earlier >= 0.125 - 1e-6 for earlier, later in itertools.pairwise(turns))


def test_endless_contention_ends(table: Any) -> None:
    with pytest.raises(SourceUnavailable, match="too many workers"):
        TableGate(Interfering(table, 10_000), VirtualClock()).reserve(EDGAR)
