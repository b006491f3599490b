"""The largest network: `profile` finds it within the limits, and one unit more beyond one."""

import dataclasses
import functools
import json
import os
import re
import time
from typing import Any

import pytest

import edgelstm
from edgelstm.cells import CELLS
from edgelstm.comparison import costs
from edgelstm.cost.count_ops import count
from edgelstm.devices.device import read_device
from edgelstm.errors import DeviceError, ModelError
from edgelstm.searching.conditions import Conditions
from edgelstm.searching.costing import Cost, cost_of
from edgelstm.searching.room import Room, Row
from edgelstm.searching.sizing import MOST_UNITS, size
from edgelstm.searching.space import Candidate, Task
from tests.tools.test_cli import run

Captured = pytest.CaptureFixture[str]
STEPS = 100  # of a call of the file that `export` writes
KINDS: dict[str, Any] = {"cells": ("lstm", "gru"), "precisions": ("int8", "float32")}

# Device, and what else is asked; between them every limit binds.
QUESTIONS: dict[str, dict[str, Any]] = {
    "stm32u575": {},
    "nrf52840": {"battery": 2000, "min_days": 100},
    "stm32l4r5": {"battery": "20000", "min_days": 1, "typical": True, "outputs": 1},
    "stm32l476": {"min_days": 0, "period_ms": 100_000, "sleep": "clocks-on"},
    "rp2350": {"min_days": 0, "period_ms": 1e6, "steps": 20_000, "layers": (3,)},
}


@functools.cache
def room(device: str) -> Room:
    return size(device, **KINDS | QUESTIONS[device])


def profiled(row: Row, units: int, asked: Room, capsys: Captured) -> dict[str, Any]:
    sizes = {"cell": row.cell, "hidden": units, "layers": row.layers, "precision": row.precision}
    ends = {"input": asked.input_size, "outputs": asked.outputs, "device": asked.device}
    use = {"period-ms": asked.period_ms, "battery": asked.battery, "sleep": asked.sleep}
    use["steps"] = QUESTIONS[asked.device].get("steps", STEPS)
    run("profile", *(f"--{name}={value}" for name, value in (sizes | ends | use).items()), "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def broken(found: dict[str, Any], asked: Room) -> set[str]:
    """Limits that a profile breaks."""
    high, low = ("typical",) * 2 if asked.end == "typical" else ("high", "low")
    fit, [way] = found["fit"], found["duty"]["waiting"]
    names = set()
    if found["latency_us"][high] > 1000 * asked.period_ms:
        names.add("time")
    for name in ("flash", "ram"):
        if fit[f"{name}_bytes"] > fit[f"{name}_available_bytes"]:
            names.add(name)
    days = way["life_days"]
    if asked.min_days and (days is None or days[low] < asked.min_days):
        names.add("battery")
    return names


@pytest.mark.parametrize("device", QUESTIONS)
def test_profile_finds_each_row_within_the_limits_and_one_unit_more_beyond(
    device: str, capsys: Captured
) -> None:
    asked = room(device)
    assert len(asked.rows) == 2 * 2 * (1 if device == "rp2350" else 2)
    assert [row.parameters or 0 for row in asked.rows] == sorted(
        (row.parameters or 0 for row in asked.rows), reverse=True
    )
    for row in asked.rows:
        if row.hidden_size:
            found = profiled(row, row.hidden_size, asked, capsys)
            assert broken(found, asked) == set()
            assert row.macs == found["total"]["macs"]
            assert row.parameters == found["parameters"]
            assert row.latency_us and vars(row.latency_us) == found["latency_us"]
            assert row.flash_bytes == found["fit"]["flash_bytes"]
            assert row.ram_bytes == found["fit"]["ram_bytes"]
        if row.binds == "range":
            assert row.hidden_size == MOST_UNITS
        else:
            more = profiled(row, row.hidden_size + 1, asked, capsys)
            assert row.binds in broken(more, asked)
            assert f"{row.hidden_size + 1:,} unit" in row.reason


def test_these_questions_are_bound_by_every_limit() -> None:
    wide = size("rpi-5", min_days=0, cells=["rnn"], precisions=["float32"], layers=[1])
    found = {row.binds for device in QUESTIONS for row in room(device).rows}
    found |= {row.binds for row in wide.rows}
    assert found == {"time", "flash", "ram", "battery", "range"}


def test_the_default_question_takes_less_than_three_seconds() -> None:
    start = time.process_time()
    asked = edgelstm.size("stm32u575")
    assert time.process_time() - start < 3
    assert len(asked.rows) == len(CELLS) * 3 * 2  # hybrid does not run there
    assert [text.partition(":")[0] for text in asked.skipped] == ["each cell in hybrid"]
    assert (asked.device, asked.period_ms, asked.min_days, asked.end) == (
        *("stm32u575", 20, 365),
        "high",
    )
    assert any("self-discharge" in text for text in asked.notes)


def test_waiting_alone_may_take_the_battery_before_any_network() -> None:
    # 225 mAh x 3.6 x 3 V x 0.9 x 0.8 = 1750 J; Stop 2 takes 0.024 mW, clocks on 4.6 mW
    days = {sleep: size("stm32u575", min_days=1, sleep=sleep, **KINDS) for sleep in SLEEPS}
    got = {sleep: asked.waiting_days.typical for sleep, asked in days.items() if asked.waiting_days}
    assert got == {"deep": pytest.approx(844, abs=1), "clocks-on": pytest.approx(4.4, abs=0.1)}
    assert size("stm32u575", min_days=1000).rows == ()
    assert size("rpi-5", min_days=1).rows == ()


SLEEPS = ("deep", "clocks-on")


def test_typical_figures_leave_more_room_than_their_upper_ends() -> None:
    high, typical = (size("stm32u575", typical=t, **KINDS).best for t in (False, True))
    assert high and typical and high.parameters and typical.parameters
    assert high.parameters < typical.parameters


def test_more_of_a_limit_is_the_answer_of_another_question() -> None:
    asked = size("stm32u575", cells=["gru"], precisions=["float32"], layers=[1], min_days=60)
    kinds: dict[str, Any] = {"cells": ["gru"], "precisions": ["float32"], "layers": [1]}
    expected = {
        "period": size("stm32u575", min_days=60, period_ms=40, **kinds),
        "battery": size("stm32u575", min_days=60, battery=450, **kinds),
    }
    got = {more.limit: more for more in asked.advice}
    for limit, other in expected.items():
        assert got[limit].hidden_size == other.rows[0].hidden_size > asked.rows[0].hidden_size
    name = got["device"].change.partition(" ")[0]
    flash = [read_device(n).figures["memory.flash_kib"].low for n in (name, "stm32u575")]
    assert flash[0] > flash[1]
    there = size(name, min_days=60, **kinds).best
    assert got["device"].hidden_size == (there.hidden_size if there else 0)


def test_a_device_without_power_is_sized_by_time_and_memory_alone() -> None:
    with pytest.raises(DeviceError, match="not known, so neither is how long a battery lasts"):
        size("stm32f429", sleep="clocks-on", **KINDS)
    with pytest.raises(DeviceError, match="alif-ensemble: power is not known; give --min-days 0"):
        size("alif-ensemble", min_days=1, **KINDS)
    with pytest.raises(DeviceError, match="are for a Raspberry Pi, and stm32u575 is none$"):
        size("stm32u575", kernels="interpreter-python", **KINDS)
    asked = size("stm32f429", battery=None, min_days=0, **KINDS)
    assert asked.best and asked.best.energy_uj is None and asked.waiting_days is None
    with pytest.raises(DeviceError, match="stm32u385: sleep.ua.*give another sleep"):
        size("stm32u385")
    assert size("stm32u385", sleep="clocks-on", min_days=5, **KINDS).best


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"period_ms": -20}, "period_ms is -20"),
        ({"period_ms": float("nan")}, "period_ms is nan"),
        ({"period_ms": "often"}, "period_ms is often"),
        ({"battery": "aa"}, "battery is 'aa'; cr2032, or its charge in mAh"),
        ({"battery": -5}, "battery is '-5'"),
        ({"battery": None}, "min_days needs a battery"),
        ({"min_days": -1}, "min_days is -1"),
        ({"min_days": float("nan")}, "min_days is nan"),
        ({"min_days": "year"}, "min_days is 'year'"),
        ({"input_size": 0}, "input_size is 0"),
        ({"outputs": -9}, "outputs is -9"),
        ({"steps": 0}, "steps is 0"),
        ({"layers": (0,)}, "layers is 0"),
        ({"layers": ()}, "layers is an empty list"),
        ({"cells": ["lsm"]}, "cell 'lsm' is unknown"),
        ({"precisions": ["int4"]}, "precision 'int4' is unknown"),
        ({"precisions": ["hybrid"]}, "lstm in hybrid: no file yet"),
        ({"sleep": "light"}, "sleep 'light' is unknown"),
        ({"kernels": "fast"}, "kernels 'fast' is unknown"),
    ],
)
def test_a_question_that_is_none_is_one_line(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises((ModelError, DeviceError), match=re.escape(told)) as raised:
        size("stm32u575", **wrong)
    assert "\n" not in str(raised.value)


FIGURES = ("flash_bytes", "ram_bytes", "latency_us", "energy_uj")
ALL = os.environ.get("EDGELSTM_UNITS") == "all"


@pytest.mark.parametrize(
    ("device", "kernels"), [("stm32u575", None), ("stm32u575", "edgelstm"), ("rpi-5", None)]
)
def test_every_cost_rises_with_the_units(device: str, kernels: str | None) -> None:
    """What bisection rests on: pairs of neighbours, or with EDGELSTM_UNITS=all every size."""
    there, given = read_device(device), Conditions(period_ms=1e6, kernels=kernels)
    precisions = ("int8", "int16x8", "float32", *["hybrid"] * (device == "rpi-5"))
    units = range(1, MOST_UNITS + 1) if ALL else sorted({*range(1, 1025, 93), *range(2, 1025, 93)})
    for precision in precisions:
        for kind in (Candidate(cell, 1, n, precision) for cell in CELLS for n in (1, 2)):
            before: Cost | None = None
            for n in units:
                one = dataclasses.replace(kind, hidden_size=n)
                counts = count(one.network(Task(12, 9, STEPS)), precision=precision)
                cost = cost_of(counts, there, STEPS, given, None)
                if before is not None:
                    for name in FIGURES:
                        new, old = (getattr(c, name) for c in (cost, before))
                        if new is not None and hasattr(new, "high"):
                            new, old = new.high, old.high
                        assert new is None or new >= old, (one.key(), name)
                before = cost


def test_export_writes_files_of_these_steps() -> None:
    assert costs.call_steps(Candidate("lstm", 4, 1, "int8").network(Task(1, 1, 1)), None, None) == (
        STEPS
    )
