"""Costs of candidates: those of `profile`, refused with a reason, none of them guessed."""

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from edgelstm.cells import CELLS
from edgelstm.cost.arena import _arena
from edgelstm.cost.count_ops import count_part
from edgelstm.devices.device import read_device
from edgelstm.errors import DeviceError, ModelError
from edgelstm.formats import write
from edgelstm.model.precision import PRECISIONS
from edgelstm.searching.conditions import KINDS, Conditions
from edgelstm.searching.costing import Cost, Point, cost_points
from edgelstm.searching.rejections import check_reachable, count_rejected
from edgelstm.searching.space import Candidate, Space, Task
from tests.networks import bidirectional_network
from tests.tools.test_cli import run

Captured = pytest.CaptureFixture[str]
TASK = Task(12, 9, 29)
DEVICES = [read_device(name) for name in ("stm32u575", "nrf52840", "rpi-5")]
WIDE = Space(
    cell=tuple(CELLS),
    hidden=range(1, 300),
    layers=(1, 2, 3),
    precision=tuple(PRECISIONS),
    projection=(None, 3, 24),
)


def only(candidate: Candidate, device: str, given: Conditions | None = None) -> Cost:
    [point] = cost_points([candidate], [read_device(device)], TASK, given)
    return point.cost


def words(point: Point) -> list[str]:
    """What `profile` is asked of a point."""
    one = point.candidate
    sizes = {"cell": one.cell, "hidden": one.hidden_size, "layers": one.layers}
    asked = sizes | {
        "precision": one.precision,
        "device": point.device,
        "projection": one.projection,
    }
    rest = {"input": TASK.input_size, "outputs": TASK.outputs, "steps": TASK.steps}
    return [f"--{name}={value}" for name, value in (asked | rest).items() if value is not None]


def test_a_hundred_points_drawn_at_random_cost_what_profile_says(capsys: Captured) -> None:
    draw = random.Random(1)
    possible = [one for one in draw.sample(WIDE.candidates(), 200) if not one.refusal()]
    given = Conditions(period_ms=20)
    points = [cost_points([one], [draw.choice(DEVICES)], TASK, given)[0] for one in possible[:100]]
    assert len({point.candidate.cell for point in points}) == len(CELLS)
    for point in points:
        run("profile", *words(point), "--period-ms=20", "--json")
        expected = json.loads(capsys.readouterr().out)
        got = point.to_dict()
        assert got["macs"] == expected["total"]["macs"]
        assert got["latency_us"] == expected["latency_us"]
        assert got["energy_uj"] == expected["energy_uj"]
        for key in ("flash_bytes", "ram_bytes", "fits"):
            assert got[key] == expected["fit"][key], key
        ways = {way["sleep"]: way for way in (expected["duty"] or {"waiting": []})["waiting"]}
        way = "clocks-on" if point.device == "rpi-5" else "deep"
        assert got["average_mw"] == ways.get(way, {"average_mw": None})["average_mw"]


def test_two_directions_cost_what_profile_says_of_a_file_of_them(
    tmp_path: Path, capsys: Captured
) -> None:
    network = bidirectional_network("gru", (12, 8, 8), outputs=9, last_step=True)
    run("profile", write(network, tmp_path / "both.npz"), "--steps=29", "--json")
    expected = json.loads(capsys.readouterr().out)
    cost = only(Candidate("gru", 8, 2, "int8", bidirectional=True), "stm32u575")
    assert cost.macs == expected["total"]["macs"]
    assert cost.energy_uj and vars(cost.energy_uj) == expected["energy_uj"]
    assert (cost.flash_bytes, cost.ram_bytes) == tuple(
        expected["fit"][f"{name}_bytes"] for name in ("flash", "ram")
    )


def test_what_waiting_takes_is_not_known_so_neither_is_a_periods_energy() -> None:
    cost = only(LSTM, "stm32u385", Conditions(period_ms=20, objectives=("accuracy", "flash")))
    assert cost.accepted and cost.energy_uj
    assert (cost.energy_period_uj, cost.energy, cost.average_mw) == (None, None, None)


def test_energy_of_a_period_is_the_step_and_the_waiting() -> None:
    # a step of 40 -> 64 with own kernels on a U575: 6.75 uJ; 8 uA at 3 V while it waits
    one = Candidate("lstm", 64, 1, "int8")
    given = Conditions(period_ms=20, kernels="edgelstm")
    [point] = cost_points([one], DEVICES[:1], Task(40, 9, 1), given)
    cost = point.cost
    assert cost.energy_uj and cost.energy_period_uj and cost.latency_us and cost.average_mw
    step, share = cost.energy_uj.typical or 0, (cost.latency_us.typical or 0) / 20_000
    assert cost.energy_period_uj.typical == pytest.approx(step + (1 - share) * 0.024 * 20)
    assert cost.average_mw.typical == pytest.approx((cost.energy_period_uj.typical or 0) / 20)
    assert cost.other_average_mw
    assert cost.other_average_mw.typical == pytest.approx(step / 20 + (1 - share) * 4.6)
    assert cost.energy == cost.energy_period_uj
    assert only(one, "stm32u575").energy_period_uj is None


def test_every_point_is_accepted_or_refused_for_one_reason() -> None:
    draw = random.Random(3)
    chosen = draw.sample(WIDE.candidates(), 300)
    given = Conditions(period_ms=5, max_energy_uj=100, max_latency_us=2000)
    points = cost_points(chosen, DEVICES, TASK, given)
    rejected = count_rejected(points)
    accepted = [point for point in points if point.cost.accepted]
    assert tuple(rejected) == KINDS
    assert len(accepted) + sum(rejected.values()) == len(points) == 900
    for point in points:
        assert (point.cost.reason is None) == point.cost.accepted == (point.cost.kind is None)
        assert point.to_dict()["accepted"] is point.cost.accepted


LSTM, LARGE = Candidate("lstm", 48, 1, "int8"), Candidate("lstm", 512, 2, "int8")


@pytest.mark.parametrize(
    ("candidate", "device", "given", "kind", "told"),
    [
        (LARGE, "stm32l476", {}, "flash", "does not fit (flash 3.06 of 1 MiB)"),
        (LSTM, "stm32u575", {"period_ms": 0.5}, "period", "does not keep up (0.704 of 0.5 ms)"),
        (LSTM, "stm32u575", {"max_latency_us": 700}, "latency", "latency 0.704 ms, at most 0.7"),
        (LSTM, "stm32u575", {"max_energy_uj": 5}, "bound", "energy 17.4 uJ, at most 5"),
        (LSTM, "stm32f429", {}, "energy-unknown", "energy not known: stm32f429: power is not"),
        (
            LSTM,
            "stm32u385",
            {"period_ms": 20},
            "energy-unknown",
            "energy not known: stm32u385: sleep.ua, sleep.v not known",
        ),
        (
            Candidate("lstm", 48, 1, "hybrid"),
            "stm32u575",
            {},
            "unsupported",
            "no file yet: none of these cells in hybrid runs on stm32u575; works: --precision int8",
        ),
        (Candidate("gru", 8, 1, "int8", 4), "stm32u575", {}, "unsupported", "a gru has no proj"),
        (
            Candidate("lstm", 8, 1, "float32"),
            "rp2040",
            {"objectives": ("accuracy", "latency")},
            "latency",
            "latency not known: rp2040: its core has no float unit",
        ),
    ],
)
def test_a_point_is_refused_with_its_reason(
    candidate: Candidate, device: str, given: dict[str, Any], kind: str, told: str
) -> None:
    cost = only(candidate, device, Conditions(**given))
    assert cost.kind == kind
    assert str(cost.reason).startswith(told)


def test_too_little_ram_is_a_reason_of_its_own() -> None:
    one = Candidate("lstm", 64, 2, "float32")
    [point] = cost_points([one], [read_device("stm32u575")], Task(12, 9, 20_000))
    assert point.cost.kind == "ram"
    assert str(point.cost.reason).startswith("does not fit (RAM ")


def test_what_is_not_known_refuses_where_it_is_an_objective_alone() -> None:
    assert only(LSTM, "stm32f429", Conditions(objectives=("accuracy", "flash"))).accepted
    bounded = Conditions(objectives=("accuracy", "flash"), max_energy_uj=1e9)
    assert only(LSTM, "stm32f429", bounded).kind == "energy-unknown"


def test_a_range_without_a_typical_figure_is_held_by_its_upper_end() -> None:
    energy = only(LSTM, "apollo4plus").energy_uj
    assert energy and energy.typical is None
    assert only(LSTM, "apollo4plus", Conditions(max_energy_uj=energy.high)).accepted
    assert only(LSTM, "apollo4plus", Conditions(max_energy_uj=energy.high * 0.99)).kind == "bound"


def test_a_bound_that_nothing_meets_says_which_and_by_how_much() -> None:
    given = Conditions(max_energy_uj=1)
    points = cost_points([LSTM, LARGE], DEVICES[:1], TASK, given)
    with pytest.raises(ModelError, match="max_energy_uj is 1 and no candidate meets it: the nea"):
        check_reachable(points, given)
    with pytest.raises(ModelError, match="lstm-48x1-int8 on stm32u575, needs 17.4 uJ, 16.4 more"):
        check_reachable(points, given)
    late = Conditions(max_latency_us=100)
    with pytest.raises(ModelError, match="max_latency_us is 100 .*needs 704 us, 604 more"):
        check_reachable(cost_points([LSTM], DEVICES[:1], TASK, late), late)
    check_reachable(cost_points([LARGE], [read_device("stm32l476")], TASK, late), late)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"period_ms": -1}, DeviceError),
        ({"period_ms": float("nan")}, DeviceError),
        ({"period_ms": 0}, DeviceError),
        ({"sleep": "light"}, DeviceError),
        ({"battery": "cr2032"}, DeviceError),
        ({"kernels": "fast"}, DeviceError),
        ({"objectives": ("speed",)}, ModelError),
        ({"max_energy_uj": 0}, ModelError),
        ({"max_energy_uj": float("nan")}, ModelError),
        ({"max_latency_us": "5"}, ModelError),
        ({"max_latency_us": True}, ModelError),
    ],
)
def test_conditions_that_are_none_are_errors(wrong: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Conditions(**wrong)


def test_thousands_of_points_take_seconds() -> None:
    """10,000 points in 5 s on one core (`benchmarks/bench_costs.py`); a busy one is let be."""
    count_part.cache_clear()
    _arena.cache_clear()
    chosen = random.Random(5).sample(WIDE.candidates(), 700)
    start = time.process_time()
    points = cost_points(chosen, DEVICES, TASK)
    assert len(points) == 2100
    assert time.process_time() - start < 6 * 5 * 2100 / 10_000
