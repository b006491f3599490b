"""`bench --remote`: from what is asked to the words of the command there, and its run back."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Iterator

from edgelstm.devices.device import Device, read_device
from edgelstm.files.disk import data_folder
from edgelstm.formats import AnyNetwork
from edgelstm.measurement.asking import Asked
from edgelstm.measurement.results import Run
from edgelstm.tools import remote
from edgelstm.tools.output import Tell


def checkable(asked: Asked) -> Asked:
    """What can be checked here: engines, cores and sources of power are the host's."""
    return dataclasses.replace(
        asked, engines=None, cpu=None, power=None, power_engines=None, trigger=None
    )


def run(
    host: str,
    network: AnyNetwork | None,
    given: tuple[Asked, pathlib.Path | None],
    tell: Tell,
) -> Run:
    """A run of a host, with the model's name, and the command, of here.

    Args:
        host: As ssh takes it.
        network: To be measured; None: the bundled one.
        given: What is asked, and the file of calibration.
        tell: What is going on.
    """
    asked, calibration = given
    files = {"--calibration": calibration} if calibration else {}
    if own := _device_file(asked.device):
        files["--device"] = own
    job = remote.Job(list(_words(asked, named=own is None)), network, files)
    found = remote.measured(host, job, tell)
    return dataclasses.replace(
        found, model=asked.model, model_sha256=asked.model_sha256, command=asked.command
    )


def _device_file(name: str | None) -> pathlib.Path | None:
    """Of a device that the host does not know."""
    if name is None:
        return None
    own = data_folder() / "devices" / f"{name}.toml"
    return pathlib.Path(name) if name.endswith(".toml") else own if own.is_file() else None


def _words(asked: Asked, *, named: bool) -> Iterator[str]:
    """Options there; `named`: the device goes by its name."""
    listed = {
        "--engines": asked.engines,
        "--precision": asked.precisions,
        "--power-engines": asked.power_engines,
    }
    single = {
        "--seconds": asked.seconds,
        "--period-ms": asked.period_ms,
        "--steps": asked.steps,
        "--cpu": asked.cpu,
        "--threads": asked.threads,
        "--seed": asked.seed,
        "--power": asked.power,
        "--trigger": asked.trigger,
        "--device": asked.device if named else None,
    }
    for option, values in listed.items():
        if values:
            yield from (option, ",".join(values))
    for option, value in single.items():
        if value is not None:
            yield from (option, str(value))


def calibrated(host: str, seconds: float, cpu: int | None, tell: Tell) -> Device:
    """The device of a host, as `bench --calibrate` measures it there."""
    words = ["--calibrate", "-o", "device.toml", "--seconds", str(seconds)]
    words += [] if cpu is None else ["--cpu", str(cpu)]
    text = remote.done(host, remote.Job(words, result="device.toml"), tell)
    with tempfile.TemporaryDirectory() as here:
        path = pathlib.Path(here) / "device.toml"
        path.write_bytes(text)
        return read_device(path)
