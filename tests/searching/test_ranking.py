"""Devices for a network: in the order of published rows, neighbours told apart by intervals."""

import csv
import itertools
import pathlib
import re
from typing import Any

import pytest

import edgelstm
from edgelstm.cost.variants import middle
from edgelstm.devices.device import device_names
from edgelstm.devices.keys import BASES
from edgelstm.errors import DeviceError, ModelError
from edgelstm.model.sizes import shapes
from edgelstm.searching.ranking import Ranked, rank_devices
from tests.networks import random_input, random_network
from tests.shapes import AD

NETWORK = shapes("lstm", 12, 48, outputs=9)


def published() -> dict[str, list[float]]:
    """Device to the energies of an inference of AD that were measured on it."""
    path = pathlib.Path(__file__).parents[1] / "data" / "mlperf_tiny_ad.csv"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    found: dict[str, list[float]] = {}
    for row in csv.DictReader(lines):
        found.setdefault(row["device"], []).append(float(row["energy_uj"]))
    return found


def disjoint(one: Ranked, other: Ranked) -> bool:
    assert one.energy and other.energy
    return one.energy.high < other.energy.low or other.energy.high < one.energy.low


@pytest.mark.parametrize("kernels", ["published", None])
def test_devices_told_apart_stand_in_the_order_of_published_runs(kernels: str | None) -> None:
    measured = published()
    ranked = rank_devices(AD, "int8", devices=list(measured), kernels=kernels).ranking
    assert len(ranked) == len(measured) >= 5
    n_apart = 0
    for first, second in itertools.combinations(ranked, 2):
        if disjoint(first, second):
            n_apart += 1
            assert min(measured[first.device]) < max(measured[second.device])
    if kernels == "published":
        assert n_apart


def test_every_device_is_ranked_by_rising_energy_or_has_a_reason() -> None:
    rows = rank_devices(NETWORK, period_ms=20).ranking
    assert {row.device for row in rows} == set(device_names())
    known = [row for row in rows if row.rank is not None]
    assert list(rows[: len(known)]) == known
    assert [row.rank for row in known] == list(range(1, len(known) + 1))
    energies = [float(f"{middle(row.energy):.3g}") for row in known if row.energy]
    assert energies == sorted(energies) and len(energies) == len(known)
    assert all(row.meets and row.reason is None for row in known)
    assert all(row.reason and not row.meets for row in rows[len(known) :])
    for row, after in itertools.pairwise(known):
        assert row.told_apart_from_next is disjoint(row, after)
    assert known[-1].told_apart_from_next is None


def test_of_equal_energies_the_best_known_stands_first(tmp_path: pathlib.Path) -> None:
    text = (pathlib.Path(edgelstm.__file__).parent / "devices/stm32u575.toml").read_text()
    paths = []
    for name, basis in (("a", "assumed"), ("b", "measured")):
        worse = re.sub(r'(mhz = \{[^}]*basis = )"datasheet"', rf'\1"{basis}"', text, count=1)
        made = tmp_path / f"{name}.toml"
        made.write_text(worse.replace('name = "stm32u575"', f'name = "{name}"'))
        paths.append(str(made))
    rows = rank_devices(shapes("lstm", 12, 48), devices=paths, kernels="edgelstm").ranking
    assert [row.device for row in rows] == ["b", "a"]
    assert BASES.index(str(rows[0].basis)) < BASES.index(str(rows[1].basis))
    assert rows[0].energy_uj == rows[1].energy_uj


def test_what_is_beyond_a_budget_stands_below_with_the_reason() -> None:
    rows = rank_devices(NETWORK, budget_uj=30, budget_ms=1).ranking
    known = [row for row in rows if row.rank is not None]
    met = [row.meets for row in known]
    assert met == sorted(met, reverse=True) and True in met and False in met
    for row in known:
        energy, late = middle(row.energy), middle(row.latency_us) / 1000  # type: ignore[arg-type]
        assert row.meets == (energy <= 30 and late <= 1)
        assert ("at most 30" in str(row.reason)) == (energy > 30)
        assert ("at most 1" in str(row.reason).replace("at most 30", "")) == (late > 1)


def test_a_battery_must_last_its_days() -> None:
    rows = rank_devices(NETWORK, period_ms=20, battery="cr2032", min_days=20).ranking
    days = {row.device: middle(row.battery_days) for row in rows if row.battery_days}
    assert {row.device for row in rows if row.meets} == {
        name for name, n in days.items() if n >= 20
    }
    assert days["stm32u575"] > 20 > days["rp2040"]
    [told] = [row.reason for row in rows if row.device == "rp2040"]
    assert told and told.startswith("the battery lasts ") and told.endswith(" of 20 days")


def test_a_network_has_its_own_precision_or_what_runs_well() -> None:
    rows = {row.device: row for row in rank_devices(NETWORK).ranking}
    assert (rows["stm32u575"].precision, rows["rpi-5"].precision) == ("int8", "hybrid")
    network = random_network("lstm", (12, 8), outputs=9, last_step=True)
    quantized = edgelstm.quantize(network, random_input(network, 2, 5))
    found = rank_devices(quantized, devices=["rpi-5", "stm32u575"])
    assert found.precision == "int8"
    assert {row.precision for row in found.ranking} == {"int8"}
    named = rank_devices(NETWORK, "hybrid", devices=["rpi-5", "stm32u575"])
    assert named.precision == "hybrid"
    last = named.ranking[-1]
    assert (last.device, last.rank) == ("stm32u575", None)
    assert str(last.reason).startswith("no file yet: ")


def test_a_chip_that_is_too_small_is_not_ranked() -> None:
    large = shapes("lstm", 12, 512, layers=2, outputs=9)
    [row] = rank_devices(large, devices=["stm32l476"]).ranking
    assert (row.rank, row.fits, row.meets) == (None, False, False)
    assert row.reason == "does not fit (flash 3.06 of 1 MiB)"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"precision": "int4"}, "precision 'int4' is unknown"),
        ({"min_days": 3}, "min_days needs a battery"),
        ({"budget_uj": 0}, "budget_uj is 0"),
        ({"budget_ms": float("nan")}, "budget_ms is nan"),
        ({"budget_uj": "5"}, "budget_uj is '5'"),
        ({"period_ms": -1}, "period_ms is -1"),
        ({"battery": "aa", "period_ms": 20}, "battery is 'aa'"),
        ({"battery": "cr2032"}, "battery need period_ms"),
        ({"devices": ["stm32u5"]}, "device 'stm32u5' is unknown"),
    ],
)
def test_a_question_that_is_none_is_one_line(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises((ModelError, DeviceError), match=re.escape(told)):
        rank_devices(NETWORK, **wrong)


def test_a_network_is_needed() -> None:
    with pytest.raises(ModelError, match="network is a str; a Network or a QuantizedNetwork"):
        rank_devices("lstm")  # type: ignore[arg-type]
