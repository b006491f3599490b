"""Instruments and pins by packages of others, which are played here: their calls are the real ones.

Those of joulescope 1.5.0 (`entry_points/statistics.py`) and gpiod 2.5.0 (`__init__.py`).
"""

import enum
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import pytest

from edgelstm.errors import ModelError
from edgelstm.installed import is_installed
from edgelstm.measurement import child, trigger
from edgelstm.measurement.job import Windows
from edgelstm.measurement.power import SOURCES, joulescope, open_source
from tests.tools.test_cli import Captured, run

Heard = Callable[[dict[str, Any]], None]


class Instrument:
    """What `joulescope.scan` gives: its calls, in order."""

    def __init__(self, refuses: str = "") -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.hear: Heard = lambda statistics: None
        self._refuses = refuses

    def __str__(self) -> str:
        return "js220-000001"

    def statistics_callback_register(self, cbk: Heard, source: str | None = None) -> None:
        self.hear = cbk
        self.calls.append(("register", source))

    def open(
        self, event_callback_fn: object = None, mode: object = None, timeout: object = None
    ) -> None:
        if self._refuses:
            raise RuntimeError(self._refuses)
        self.calls.append(("open",))

    def parameter_set(self, name: str, value: Any) -> None:
        self.calls.append((name, value))

    def tell(self, watts: float) -> None:
        self.hear({"signals": {"power": {"avg": {"value": watts, "units": "W"}}}})


def play_joulescope(monkeypatch: pytest.MonkeyPatch, *found: Instrument) -> None:
    def scan(name: str | None = None, config: str | None = None) -> list[Instrument]:
        assert config == "off"  # the instrument computes means, nothing is streamed
        return list(found)

    module = types.ModuleType("joulescope")
    module.scan = scan  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "joulescope", module)
    monkeypatch.setattr(f"{joulescope.__name__}.is_installed", lambda package: True)


def test_means_of_the_instrument_become_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Instrument()
    play_joulescope(monkeypatch, one)
    source, _ = open_source("joulescope")
    assert source and source.name == "joulescope" and one.calls == []
    now = time.time()
    assert source.read(now) is None
    assert one.calls == [
        ("reduction_frequency", "20 Hz"),
        ("register", "sensor"),
        ("open",),
        ("i_range", "auto"),
        ("v_range", "15V"),
    ]
    for watts in (2.0, 3.0):
        one.tell(watts)
    got = source.read(now + 0.1)
    assert got and got.watts == {"all": 2.5} and abs(got.time_s - time.time()) < 1
    assert source.read(now + 0.2) is None and source.finish() == []
    with pytest.raises(OSError, match="told nothing for 2 s: is it still plugged in"):
        source.read(now + 3)


@pytest.mark.parametrize(
    ("found", "told"),
    [([], "no Joulescope is plugged in"), ([Instrument(), Instrument()], "2 are plugged in (js")],
)
def test_not_one_instrument_is_one_line(
    found: list[Instrument], told: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    play_joulescope(monkeypatch, *found)
    assert run("bench", "--power", "joulescope") == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: power source 'joulescope': {told}")


def test_an_instrument_that_another_program_has_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    play_joulescope(monkeypatch, Instrument("jsdrv_open timed out"))
    with pytest.raises(OSError, match="^js220-000001 cannot be opened: jsdrv_open timed out"):
        joulescope.Joulescope().read(0.0)


def test_without_its_package_an_instrument_names_the_extra(capsys: Captured) -> None:
    if is_installed("joulescope"):
        pytest.skip("joulescope is installed")
    assert next(iter(SOURCES)) == "joulescope"
    assert run("bench", "--power", "joulescope") == 2
    assert 'pip install "edgelstm[joulescope]"' in capsys.readouterr().err


class Value(enum.Enum):
    INACTIVE, ACTIVE = 0, 1


class Direction(enum.Enum):
    INPUT, OUTPUT = 0, 1


class Request:
    """What `gpiod.request_lines` gives: what each line was set to."""

    def __init__(self) -> None:
        self.set: list[tuple[int, Value]] = []
        self.released = False

    def __enter__(self) -> "Request":
        return self

    def __exit__(self, *error: object) -> None:
        self.released = True

    def set_value(self, line: int, value: Value) -> None:
        self.set.append((line, value))


def play_gpiod(monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> list[Any]:
    """The module, and what is asked of it."""
    asked: list[Any] = []

    def request_lines(path: str, config: dict[int, Any], consumer: str | None = None) -> Request:
        if error:
            raise error
        asked.extend([path, config, Request()])
        return asked[-1]  # type: ignore[no-any-return]

    module: Any = types.ModuleType("gpiod")
    module.line = types.SimpleNamespace(Value=Value, Direction=Direction)
    module.LineSettings = types.SimpleNamespace
    module.request_lines = request_lines
    monkeypatch.setitem(sys.modules, "gpiod", module)
    monkeypatch.setattr(trigger, "check_installed", lambda package, purpose: None)
    return asked


def test_a_pin_is_an_output_that_is_low_behind_whatever_happened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = play_gpiod(monkeypatch)
    with pytest.raises(KeyError), trigger.driven("gpiochip0:17") as set_pin:
        set_pin(True)
        raise KeyError
    path, config, request = asked
    assert path == "/dev/gpiochip0" and list(config) == [17]
    assert (config[17].direction.name, config[17].output_value) == ("OUTPUT", Value.INACTIVE)
    assert request.set == [(17, Value.ACTIVE), (17, Value.INACTIVE)] and request.released
    with trigger.driven(None) as set_pin:
        set_pin(True)


def test_the_pin_is_high_in_windows_alone() -> None:
    said: list[Any] = []
    windows = Windows(0, idle_s=0.001, window_s=0.01, n_windows=2)
    child._windows(windows, lambda: None, said.append, said.append)
    told = [what if isinstance(what, bool) else next(iter(what)) for what in said]
    assert told == ["idle", *[True, False, "window"] * 2, "idle"]


@pytest.mark.parametrize(
    ("pin", "error", "told"),
    [
        ("17", None, "a chip and a line are needed, such as gpiochip0:17"),
        ("gpiochip9:17", FileNotFoundError(2, "No"), "there is no /dev/gpiochip9; `gpiodetect`"),
        ("gpiochip0:17", PermissionError(13, "No"), "may not be opened: sudo usermod -aG gpio"),
        ("gpiochip0:99", ValueError("line offset of out range"), "has no line 99; `gpioinfo`"),
        ("gpiochip0:17", OSError(16, "Device or resource busy"), "busy; `gpioinfo` says whose"),
    ],
)
def test_a_pin_that_cannot_be_driven_is_one_line(
    pin: str, error: Exception | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_gpiod(monkeypatch, error)
    with pytest.raises(ModelError, match="^trigger ") as raised:
        trigger.check_trigger(pin)
    assert told in str(raised.value)


def test_a_trigger_is_for_windows_of_power(capsys: Captured) -> None:
    assert run("bench", "--trigger", "gpiochip0:17") == 2
    told = "error: --trigger is for energies, and no source of power is given; give power"
    assert capsys.readouterr().err.splitlines()[-1] == told
