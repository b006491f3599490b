"""The whole of a measurement with a meter that is made up: in turns first, then in windows."""

import pathlib
import time

import pytest

from edgelstm.measurement import asking, measuring, metering
from edgelstm.measurement.energies import Tried
from edgelstm.measurement.power import windows
from edgelstm.measurement.power.source import Sample
from edgelstm.measurement.results import Run
from tests.networks import random_network


class Made:
    """A meter of 4 W that may be unplugged."""

    name, period_s, gross_only = "made", 0.01, False

    def __init__(self, lives_s: float) -> None:
        self._end = time.monotonic() + lives_s

    def obstacle(self) -> str | None:
        return None

    def read(self, now: float) -> Sample | None:
        if time.monotonic() > self._end:
            raise OSError("no such device")
        return Sample(now, {"all": 4.0})

    def finish(self) -> list[Sample]:
        return []


def run(monkeypatch: pytest.MonkeyPatch, source: Made, trigger: str | None = None) -> Run:
    for name, value in (("IDLE_S", 0.2), ("WINDOW_S", 0.2), ("N_WINDOWS", 2), ("LEAST_SAMPLES", 1)):
        monkeypatch.setattr(windows, name, value)
    monkeypatch.setattr(windows, "MOST_GAP", 1e6)  # whatever else runs where this is tested
    tried = (Tried("made", None),)
    monkeypatch.setattr(metering, "open_source", lambda name: (source, tried))
    network = random_network("lstm", (3, 4), outputs=2, last_step=True)
    asked = asking.Asked(
        engines=("reference",),
        precisions=("float32",),
        seconds=0.3,
        steps=5,
        power="auto",
        trigger=trigger,
    )
    return measuring.run(network, asked, lambda text: None)


def test_the_fastest_step_of_a_precision_gets_its_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    got = run(monkeypatch, Made(60.0))
    step, sequence = got.results
    assert step.energy.energy_uj_per_step and step.energy.energy_uj_per_step.median > 0
    windows_of = step.energy.windows
    assert len(windows_of) == 2
    for window in windows_of:
        assert window.joules == pytest.approx(4.0 * window.seconds)
    assert sequence.energy.energy_uj_per_step is None and sequence.energy.energy_reason
    assert got.power and got.power.source == "made" and got.power.planned_seconds
    assert step.energy.energy_net_uj_per_step is None  # 4 W idle as well


def test_a_meter_that_is_unplugged_is_said_and_what_was_measured_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    got = run(monkeypatch, Made(0.0))
    assert len(got.results) == 2 and got.results[0].energy.energy_uj_per_step is None
    (lost,) = [one for one in got.skipped if one.engine == "power"]
    assert lost.status == "crashed" and "made was lost: no such device" in lost.reason


GPIOD = """
import pathlib
from types import SimpleNamespace as LineSettings
line = LineSettings(Value=LineSettings(INACTIVE=0, ACTIVE=1), Direction=LineSettings(OUTPUT="out"))
class Request:
    def __enter__(self): return self
    def __exit__(self, *error): self.set_value(None, "released")
    def set_value(self, line, value):
        with open(pathlib.Path(__file__).with_name("pin"), "a") as file: file.write(f"{value} ")
def request_lines(path, config, consumer=None): return Request()
"""


def test_the_pin_is_driven_by_the_process_that_repeats_the_steps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "gpiod.py").write_text(GPIOD)
    monkeypatch.syspath_prepend(str(tmp_path))  # the process gets this path
    got = run(monkeypatch, Made(60.0), "gpiochip0:17")
    assert len(got.results[0].energy.windows) == 2
    once = "0 released "  # in the process of the rounds nothing is high
    assert (tmp_path / "pin").read_text() == f"{once}1 0 1 0 {once}"
