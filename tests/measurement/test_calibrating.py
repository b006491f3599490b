"""Calibration: laws from made-up times, a whole one on this machine, and what is refused."""

import dataclasses
import pathlib
import platform

import numpy as np
import pytest

from edgelstm.cost.boards import (
    ACTIVATIONS_PER_US,
    AT_ONCE,
    CALIBRATED,
    CALLS,
    L1D_KIB,
    L2_READ,
    LAYERS,
    PER_US,
    SEQUENCE,
    STEP,
    STEP_RAW,
)
from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.energy import estimate
from edgelstm.cost.inference import inference_us
from edgelstm.devices.device import Device, Figure, device_names, read_device
from edgelstm.devices.device_file import device_text
from edgelstm.errors import ModelError
from edgelstm.measurement import calibrating, fitting, machine, session
from edgelstm.measurement.fitting import STEPS, Laws, Point, fit
from edgelstm.measurement.predicting import find_device, predict
from edgelstm.measurement.results import Throttled
from edgelstm.model.sizes import shapes

RATES = {"float32": 4_000.0, "int8": 20_000.0}
CALL_US = {STEP: 3.0, STEP_RAW: 1.5, SEQUENCE: 6.0}
ACTIVATIONS = {"float32": 100.0, "int8": 300.0}
MISSED_BYTES_PER_US = 50_000.0
LAYER_US = 0.5
SIZES = (
    (4_000, 60, 0, 0),
    (20_000, 500, 0, 2),
    (60_000, 200, 90_000, 0),
    (100_000, 600, 30_000, 1),
)


def points(noise: float = 0.0) -> list[Point]:
    """Of a machine with these rates and calls."""
    rng = np.random.default_rng(0)
    found = []
    for precision, rate in RATES.items():
        for mode in (STEP, SEQUENCE) if precision == "float32" else CALL_US:
            steps = STEPS if mode == SEQUENCE else 1
            for macs, acts, missed, further in SIZES:
                step_us = macs / rate + acts / ACTIVATIONS[precision]
                us = CALL_US[mode] + further * LAYER_US
                us += steps * (step_us + missed / MISSED_BYTES_PER_US)
                us *= 1 + noise * rng.uniform(-1, 1)
                found.append(Point(precision, mode, macs, acts, missed, further, us))
    return found


def test_laws_are_found_again() -> None:
    got = fit(points())
    assert got.macs_per_us == pytest.approx(RATES)
    assert got.activations_per_us == pytest.approx(ACTIVATIONS)
    assert got.call_us == pytest.approx(CALL_US)
    assert got.layer_us["speed.call_us_layer"] == pytest.approx(LAYER_US)
    assert got.missed_bytes_per_us == pytest.approx(MISSED_BYTES_PER_US)
    assert got.half_width == fitting.LEAST_WIDTH


def test_the_width_is_beyond_what_was_missed() -> None:
    given = points(noise=0.1)
    got = fit(given)
    missed = max(max(q := got.predicted_us(p) / p.us, 1 / q) - 1 for p in given)
    assert got.half_width == pytest.approx(1.25 * missed) and missed > 0.01


def calibrated() -> Device:
    """A device with these laws, in a width of 10 %."""
    text = Figure(1000, 1000, 1000, "measured", "test")
    figures = {
        CALLS[mode]: dataclasses.replace(text, low=us / 1.1, typical=us, high=us * 1.1)
        for mode, us in CALL_US.items()
    }
    for precision, rate in RATES.items():
        figures[PER_US + precision] = Figure(rate, rate, rate, "measured", "test")
        rate = ACTIVATIONS[precision]
        figures[ACTIVATIONS_PER_US + precision] = Figure(rate, rate, rate, "measured", "test")
    figures["speed.time_half_width_percent"] = Figure(10, 10, 10, "measured", "test")
    figures[AT_ONCE + "int8"] = Figure(48, 48, 48, "measured", "test")
    figures[L1D_KIB] = Figure(32, 32, 32, "measured", "test")
    read = MISSED_BYTES_PER_US
    figures[L2_READ] = Figure(read, read, read, "measured", "test")
    for key in ("clock.mhz", "memory.last_level_kib", "memory.dram_read_mb_per_s"):
        figures[key] = text
    return Device("here", "sbc", "x86-64", 1, figures, {"source": 'a "test"'}, ("Raspberry",))


def computing_us(counts: Counts, *, is_sequence: bool = False) -> float:
    """By hand: 5 activations a unit of an LSTM; weights of h, or all, beyond 32 KiB.

    At int8 groups of 48 units make 96 of 64.
    """
    padded = 1.5 if counts.precision == "int8" else 1.0
    value_bytes = 4 if counts.precision == "float32" else 1
    weight_bytes = value_bytes * 256 * (64 if is_sequence else 104)
    missed = max(0, weight_bytes - 32 * 1024)
    activations = 5 * 64 / ACTIVATIONS[counts.precision]
    computing = counts.total.macs / RATES[counts.precision] + activations
    return padded * computing + missed / MISSED_BYTES_PER_US


@pytest.mark.parametrize("precision", RATES)
def test_the_profiler_takes_rates_and_calls_that_were_measured(precision: str) -> None:
    counts = count(shapes("lstm", 40, 64), precision=precision)
    computing = computing_us(counts)
    found = estimate(counts, calibrated(), "edgelstm")
    assert found.latency_us and found.basis == "measured"
    assert estimate(counts, calibrated()) == found  # without asking for the kernels
    assert found.latency_us.typical == pytest.approx(3.0 + computing)
    assert found.latency_us.high == pytest.approx(1.1 * (3.0 + computing))
    whole = inference_us(counts, calibrated(), found, 50)
    computing = computing_us(counts, is_sequence=True)
    assert whole and whole.typical == pytest.approx(6.0 + 50 * computing)
    assert any(note.endswith(" were measured on here") for note in found.notes)


def test_predictions_know_raw_steps_and_sequences() -> None:
    counts = count(shapes("lstm", 40, 64), precision="int8")
    computing = computing_us(counts)
    step = predict(counts, 50, "step", "edgelstm", calibrated())
    assert step.predicted_us and step.predicted_us.typical == pytest.approx(1.5 + computing)
    assert step.predicted_call_us and step.predicted_call_us.typical == 1.5
    whole = predict(counts, 50, "sequence", "edgelstm", calibrated())
    assert whole.predicted_us
    assert whole.predicted_us.typical == pytest.approx(6.0 / 50 + computing)
    other = predict(counts, 50, "step", "interpreter-python", calibrated())
    assert other.predicted_us is None and "not known" in str(other.predicted_reason)


@pytest.mark.parametrize("name", [*device_names(), "calibrated"])
def test_a_device_written_is_the_device_read(name: str, tmp_path: pathlib.Path) -> None:
    device = calibrated() if name == "calibrated" else read_device(name)
    path = tmp_path / "x.toml"
    path.write_text(device_text(device), "utf-8")
    assert read_device(path) == device


def test_the_file_of_this_machine_goes_before_its_board(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(platform, "node", lambda: "shed-pi")
    device, reason = find_device(None, "Raspberry Pi 5 Model B Rev 1.0")
    assert device and device.name == "rpi-5" and reason is None
    folder = tmp_path / "edgelstm/devices"
    folder.mkdir(parents=True)
    own = dataclasses.replace(calibrated(), name="shed-pi")
    (folder / "shed-pi.toml").write_text(device_text(own), "utf-8")
    assert find_device(None, "Raspberry Pi 5 Model B Rev 1.0") == (own, None)
    assert read_device("shed-pi") == own
    (folder / "shed-pi.toml").unlink()
    assert find_device(None, "Banana")[0] is None


@pytest.mark.slow
def test_a_calibration_is_a_device_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(calibrating, "NOISY", 100.0)  # whatever else runs where this is tested
    monkeypatch.setattr(calibrating, "LEAST_ROUNDS", 1)
    device = calibrating.calibrate(2.0, None, lambda text: None)
    assert device.texts["source"].endswith(f"--calibrate, on {platform.node()}")
    assert {PER_US + p for p in CALIBRATED} <= set(device.figures)
    assert {*CALLS.values(), *LAYERS} <= set(device.figures)
    assert all(f.low > 0 for f in device.figures.values())
    gru = count(shapes("gru", 8, 16), precision="int8")
    assert predict(gru, 10, "step", "edgelstm", device).predicted_us


@pytest.mark.slow
def test_a_busy_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(calibrating, "NOISY", -1.0)
    monkeypatch.setattr(calibrating, "LEAST_ROUNDS", 1)
    with pytest.raises(ModelError, match="too busy to be calibrated: .* --cpu"):
        calibrating.calibrate(1.0, None, lambda text: None)


def record(n_rounds: int) -> session.Record:
    """Of two calls and the two loops."""
    made = session.Record()
    made.keys, made.rounds = list(range(4)), [np.ones((2, 4))] * n_rounds
    return made


@pytest.mark.parametrize(
    ("n_rounds", "held", "told"),
    [
        (19, None, "^19 rounds in 60 s tell no rates; 20 are needed"),
        (20, Throttled(("throttled",), ()), "^the machine is held back: .*throttled"),
    ],
)
def test_what_tells_no_rates_is_refused(
    n_rounds: int, held: Throttled | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = dataclasses.replace(machine.machine(0, machine.moment(0), {}), throttled=held)
    pytest.importorskip("numba")
    monkeypatch.setattr(calibrating, "SIZES", calibrating.SIZES[:1])
    monkeypatch.setattr(session, "measure", lambda *given: record(n_rounds))
    monkeypatch.setattr(machine, "machine", lambda *given: here)
    with pytest.raises(ModelError, match=told):
        calibrating.calibrate(60.0, None, lambda text: None)


def test_laws_say_what_they_predict() -> None:
    laws = Laws(
        {"int8": 1_000.0}, {"int8": 10.0}, {SEQUENCE: 5.0}, {"speed.call_us_layer": 2.0}, 500.0, 0.1
    )
    assert laws.predicted_us(Point("int8", SEQUENCE, 2_000, 30, 0, 0, 0.0)) == 5.0 + STEPS * 5.0
    assert laws.predicted_us(Point("int8", SEQUENCE, 0, 0, 1_000, 3, 0.0)) == 11.0 + STEPS * 2.0
