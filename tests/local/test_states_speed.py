"""How fast the interpreter is on this machine: printed (pytest -s), never asserted."""

import time

import pytest

from tests.local.states_bench import Bench, Cloud, children, end, function, invoke


def chain(count: int, **state) -> dict:
    """So many states one after the other."""
    states = {f"S{n}": {**state, "Next": f"S{n + 1}"} for n in range(count)}
    for each in states.values():
        each.pop("End", None)
    return {**states, f"S{count}": end("Succeed")}


@pytest.mark.parametrize(("name", "count", "states"), [
    ("Pass transitions", 1000, chain(1000, Type="Pass", Output={"i": "{% $states.input.i + 1 %}"})),
    ("Lambda tasks, one after the other", 200, chain(200, **invoke())),
    ("map children, 16 at a time", 500, {"M": end(
        "Map", Items="{% $range(1, 500, 1) %}", MaxConcurrency=16, ItemProcessor=children(A=invoke()))}),
])
def test_speed(name, count, states, capsys):
    bench = Bench(Cloud(lambda__invoke=function(lambda payload: payload)))
    begun = time.perf_counter()
    assert bench.run(states, {"i": 0})["status"] == "SUCCEEDED"
    with capsys.disabled():
        print(f"\n{name}: {count / (time.perf_counter() - begun):.0f} a second")
