"""How calibration is spread: counted by hand; what a far value costs, by what removing it gains."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm import bundled
from edgelstm.formats import write
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.fidelity import measure_fidelity, saturation
from edgelstm.verification.spread import clipped_spread, input_spread, is_beyond_training
from tests.networks import random_network
from tests.tools.test_cli import Captured, run

NETWORK = random_network("lstm", (5, 12), outputs=4, last_step=True)
X = np.random.default_rng(1).normal(size=(40, 15, 5)).astype(np.float32)


def with_spike(times: float) -> Any:
    x = X.copy()
    x[7, 3, 2] = times * np.abs(X).max()
    return x


def test_the_percentile_is_a_magnitude_and_what_lies_beyond_is_counted() -> None:
    rising = np.arange(-20_000, 0, dtype=np.float32).reshape(4, 500, 10)
    spread = input_spread([rising[:1], rising[1:]])
    # 0.9999 of the way from the smallest to the largest of 20,000 values lie 19,997 others
    assert (spread.largest, spread.p99_99, spread.values_beyond) == (20_000, 19_998, 2)


def test_of_few_values_the_second_largest_stands_for_the_percentile() -> None:
    spread = input_spread([with_spike(10)])
    assert spread.p99_99 == np.sort(np.abs(with_spike(10)).ravel())[-2]
    assert (spread.values_beyond, spread.has_far_values) == (1, True)
    assert not input_spread([X]).has_far_values
    assert not input_spread([0 * X]).has_far_values


def test_what_a_spike_costs_is_what_is_gained_without_it() -> None:
    x = with_spike(10)
    spread = clipped_spread(NETWORK, quantize(NETWORK, x), [x], x)
    clean = measure_fidelity(NETWORK, quantize(NETWORK, X), X).snr_db
    spoiled = measure_fidelity(NETWORK, quantize(NETWORK, x), x).snr_db
    assert spread.snr_db_if_clipped is not None and clean is not None and spoiled is not None
    # dB: clipped to the largest of the rest, x differs from X in the one value alone
    assert spread.snr_db_if_clipped == pytest.approx(clean, abs=0.5)
    assert spread.snr_db_if_clipped - spoiled > 6


@pytest.mark.parametrize("precision", ["int8", "hybrid"])
def test_nothing_is_clipped_without_need(precision: str) -> None:
    x = X if precision == "int8" else with_spike(10)
    spread = clipped_spread(NETWORK, quantize(NETWORK, x, precision), [x], x)
    assert spread == input_spread([x])
    assert spread.snr_db_if_clipped is None


@pytest.mark.parametrize("times, expected", [(1, False), (3, False), (100, True), (1000, True)])
def test_a_thousand_times_too_large_is_told_from_the_gates(times: int, expected: bool) -> None:
    demo, x = bundled.demo(), bundled.demo_data().calibration
    gates = saturation(quantize(demo, (times * x).astype(np.float32)))
    assert any(map(is_beyond_training, gates)) is expected


WARNINGS = {
    1: "",
    10: "all except 1 value stay within",
    1000: "leave +-8, where gates are flat: it looks larger than the input the network was trained",
}


@pytest.mark.parametrize("times", WARNINGS)
def test_export_reports_the_spread_and_warns(times: int, tmp_path: Path, capsys: Captured) -> None:
    write(NETWORK, tmp_path / "net.npz")
    x = with_spike(times) if times < 1000 else times * X
    np.save(tmp_path / "x.npy", x.astype(np.float32))
    words = ["--calibration", tmp_path / "x.npy", "--formats", "onnx", "-o", tmp_path, "--json"]
    assert run("export", tmp_path / "net.npz", *words) == 0
    printed = capsys.readouterr()
    got = json.loads(printed.out)["accuracy"]["input_spread"]
    expected = dataclasses.asdict(input_spread([x.astype(np.float32)]))
    assert {**got, "snr_db_if_clipped": None} == expected
    assert (got["snr_db_if_clipped"] is not None) == (times == 10)
    assert WARNINGS[times] in printed.err
    assert ("calibration reaches" in printed.err) == (times > 1)


def test_without_calibration_no_spread_is_reported(tmp_path: Path, capsys: Captured) -> None:
    write(NETWORK, tmp_path / "net.npz")
    words = ["--precision", "float32", "--formats", "onnx", "-o", tmp_path, "--json"]
    assert run("export", tmp_path / "net.npz", *words) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"]["input_spread"] is None
