"""Devices: what a chip or board has and needs, each number an interval with basis and source.

A device is a TOML file: those in `devices/`, or one of your own, given by its path. A figure reads
``mhz = { low = 120, typical = 120, high = 120, basis = "datasheet", source = "title, table" }``.
"""

import dataclasses
import difflib
import importlib.resources
import math
import os
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from edgelstm.devices.keys import (
    ACTIVE_FROM,
    BASES,
    CORES,
    ENERGY_ANSWERS,
    FIGURES,
    KINDS,
    TEXTS,
)
from edgelstm.errors import DeviceError
from edgelstm.files import toml
from edgelstm.files.disk import data_folder
from edgelstm.files.toml import shown, shown_key
from edgelstm.notebook import html_table

_CHOICES = {
    "kind": KINDS,
    "core": CORES,
    "energy_answer": ENERGY_ANSWERS,
    "power.active_from": ACTIVE_FROM,
}
_REQUIRED = ("name", "kind", "core", "clock.mhz")
_PARTS = ("low", "typical", "high", "basis", "source")


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number as an interval: low <= typical <= high, how well it is known, and from where."""

    low: float
    typical: float
    high: float
    basis: str
    source: str


@dataclasses.dataclass(frozen=True)
class Device:
    """A chip or board.

    Attributes:
        name: As in `--device`.
        kind: One of `KINDS`.
        core: One of `CORES`.
        n_cores: Equal cores that can share the work.
        figures: Key of `FIGURES`, with its unit, to the figure; unknown ones are absent.
        texts: Key of `TEXTS` to its text; unknown ones are absent.
        board_models: How the model begins that a board's firmware tells of itself.
    """

    name: str
    kind: str
    core: str
    n_cores: int
    figures: Mapping[str, Figure]
    texts: Mapping[str, str]
    board_models: tuple[str, ...] = ()

    def figure(self, key: str) -> Figure | None:
        """The figure of a key of `FIGURES`, or None where it is not known."""
        assert key in FIGURES, key
        return self.figures.get(key)

    @property
    def clock(self) -> Figure:
        """Highest clock in MHz."""
        return self.figures["clock.mhz"]

    @property
    def energy_answer(self) -> str:
        """One of `ENERGY_ANSWERS`."""
        return self.texts.get("energy_answer", "interval")

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries and numbers."""
        return dataclasses.asdict(self)

    def _repr_html_(self) -> str:
        """A table for notebooks: each known figure and its basis."""
        rows = [
            (key, *(f"{n:,g}" for n in (figure.low, figure.typical, figure.high)), figure.basis)
            for key in FIGURES
            if (figure := self.figure(key)) is not None
        ]
        title = f"{self.name}: {self.core}, energy: {self.energy_answer}"
        return html_table(title, ("", "low", "typical", "high", "basis"), rows)


def weakest(bases: Iterable[str]) -> str:
    """The weakest of some bases.

    >>> weakest(["measured", "derived", "datasheet"])
    'derived'
    """
    return max(bases, key=BASES.index)


def device_names() -> list[str]:
    """Names of the devices that come with the package."""
    files = (importlib.resources.files("edgelstm") / "devices").iterdir()
    return sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml"))


def read_device(name_or_path: str | os.PathLike[str]) -> Device:
    """Reads a device that comes with the package, or a TOML file of your own.

    Args:
        name_or_path: A name of `device_names`, that of a machine that `bench --calibrate` measured,
            or a path that ends in `.toml`.

    Raises:
        DeviceError: The name is unknown; or the file cannot be read, lacks a figure, has one
            without a source, an unknown key (a wrong unit), or an interval out of order.

    >>> read_device("stm32u575").figure("clock.mhz").typical
    160.0
    """
    name = os.fspath(name_or_path)
    if name.endswith(".toml"):
        path = pathlib.Path(name)
        return _device(toml.read_text(path, "`edgelstm devices` lists known names"), path.name)
    names = device_names()
    own = data_folder() / "devices" / f"{name}.toml"
    if name not in names and re.fullmatch(r"[\w.-]+", name) and own.is_file():
        return read_device(own)
    if name not in names:
        near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.4)
        nearest = f"nearest: {', '.join(near)}; " if near else ""
        raise DeviceError(f"device '{name}' is unknown; {nearest}`edgelstm devices` lists all")
    file = importlib.resources.files("edgelstm") / "devices" / f"{name}.toml"
    return _device(file.read_text("utf-8"), file.name)


def check_exportable(device: Device) -> None:
    """Raises a `DeviceError` for a device that is listed for comparison only."""
    if device.energy_answer == "none: context only":
        told = "listed for comparison only, nothing is exported to it; `edgelstm devices` lists all"
        raise DeviceError(f"{device.name}: {told}")


def _device(text: str, file: str) -> Device:
    """A device from its TOML text; `file` is how errors call it."""
    values = toml.parse(text, file)
    n_cores, models = values.pop("cores", 1), values.pop("board_models", [])
    _check_keys(values, file)
    texts = {k: _text_value(k, v, file) for k, v in values.items() if k in TEXTS}
    figures = {k: _figure(v, f"{file}: {k}") for k, v in values.items() if k in FIGURES}
    if not isinstance(n_cores, int) or n_cores < 1 or isinstance(n_cores, bool):
        raise DeviceError(f"{file}: cores is {shown(n_cores)}; a whole number from 1 is needed")
    if not isinstance(models, list) or not all(isinstance(m, str) and m for m in models):
        raise DeviceError(f"{file}: board_models is {shown(models)}; a list of texts is needed")
    name, kind, core = (texts.pop(key) for key in ("name", "kind", "core"))
    return Device(name, kind, core, n_cores, figures, texts, tuple(models))


def _check_keys(values: Mapping[str, Any], file: str) -> None:
    known = [*TEXTS, *FIGURES]
    for key in values:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise DeviceError(f"{file}: {shown_key(key)} is unknown; the nearest key is {nearest}")
    missing = [key for key in _REQUIRED if key not in values]
    if missing:
        raise DeviceError(
            f"{file}: {', '.join(missing)} missing; a device needs at least {', '.join(_REQUIRED)}"
        )


def _text_value(key: str, value: object, file: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DeviceError(f"{file}: {key} is {shown(value)}; text is needed")
    choices = _CHOICES.get(key)
    if choices and value not in choices:
        nearest = difflib.get_close_matches(value, choices, n=1, cutoff=0.0)[0]
        raise DeviceError(
            f"{file}: {key} is {shown(value)}; the nearest is '{nearest}'; "
            f"known: {', '.join(choices)}"
        )
    return value


def _figure(value: object, where: str) -> Figure:
    if not isinstance(value, dict):
        raise DeviceError(f"{where} is {shown(value)}; it must be {{ {', '.join(_PARTS)} }}")
    missing = [part for part in _PARTS if part not in value]
    unknown = [part for part in value if part not in _PARTS]
    if missing or unknown:
        told = ", ".join(missing or map(shown_key, unknown))
        problem = f"{told} {'missing' if missing else 'unknown'}"
        raise DeviceError(f"{where}: {problem}; a figure is {{ {', '.join(_PARTS)} }}")
    numbers = {part: _number(value[part], f"{where}: {part}") for part in _PARTS[:3]}
    for first, second in (("low", "high"), ("low", "typical"), ("typical", "high")):
        if numbers[first] > numbers[second]:
            raise DeviceError(
                f"{where}: {first} {numbers[first]} is above {second} {numbers[second]}; "
                "an interval needs low <= typical <= high"
            )
    basis, source = value["basis"], value["source"]
    if basis not in BASES:
        raise DeviceError(f"{where}: basis is {shown(basis)}; it must be one of {', '.join(BASES)}")
    if not isinstance(source, str) or not source.strip():
        raise DeviceError(f"{where}: source is {shown(source)}; text that names it is needed")
    return Figure(**numbers, basis=basis, source=source)


def _number(value: object, where: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if 0 < number < math.inf:
            return number
    raise DeviceError(f"{where} is {shown(value)}; a number above 0 is needed")
