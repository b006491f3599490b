"""Which row of a comparison is used on which device, and why each other one is not."""

import dataclasses
import pathlib
from collections.abc import Sequence

from edgelstm.comparison import costs
from edgelstm.comparison.table import OnDevice, Row
from edgelstm.comparison.use import Use
from edgelstm.devices.device import Device
from edgelstm.formats import AnyNetwork
from edgelstm.layers.directions import computing
from edgelstm.model.forms import precision_for
from edgelstm.model.network import Network
from edgelstm.verification.results import FAILED


@dataclasses.dataclass(frozen=True, eq=False)
class Made:
    """A row before it is known which one to use where.

    Attributes:
        network: What was written; the float one where there is no such network.
        row: What was found of it.
        uses: Its file for each kind of device.
    """

    network: AnyNetwork
    row: Row
    uses: tuple[Use, ...] = ()


def choose(network: Network, devices: Sequence[Device], made: Sequence[Made]) -> tuple[Row, ...]:
    """The rows, with what to use on each device: one row, or none."""
    best = {device.name: _best(network, device, made) for device in devices}
    return tuple(
        dataclasses.replace(
            one.row,
            devices=tuple(
                _decided(one, on, device, best[device.name])
                for on, device in zip(one.row.devices, devices, strict=False)
            ),
        )
        for one in made
    )


def _best(network: Network, device: Device, made: Sequence[Made]) -> Made | None:
    """What `export` writes for the device; else the first that runs there and fits."""
    precision = costs.default_precision(network, device)
    form = precision_for(computing(network.layers), precision).form
    usual = [one for one in made if (one.row.precision, one.row.form) == (precision, form)]
    return next((one for one in (*usual, *made) if _obstacle(one, device) is None), None)


def _decided(one: Made, on: OnDevice, device: Device, best: Made | None) -> OnDevice:
    use, obstacle = _use(one, device), _obstacle(one, device)
    if obstacle is not None or best is None:
        return dataclasses.replace(on, reason=obstacle or "")
    if best is one:
        suffix = pathlib.Path(use.artifact or "").suffix[1:]
        return dataclasses.replace(on, use=suffix, reason=f"{use.runtime}: {use.reason}")
    told = f"runs in {use.runtime}; {best.row.name} is what `export` takes for {device.name}"
    return dataclasses.replace(on, reason=told)


def _obstacle(one: Made, device: Device) -> str | None:
    """Why a row is not used on a device; None if it may be."""
    on = next((on for on in one.row.devices if on.device == device.name), None)
    if on is None:
        return one.row.reason or "there is no such network"
    use = _use(one, device)
    if use.artifact is None:
        return use.reason
    name = pathlib.Path(use.artifact).name
    if any(v.status in FAILED and v.artifact == name for v in one.row.verified):
        return f"{name} failed a check"
    return f"does not fit {device.name}" if on.fit.fits is False else None


def _use(one: Made, device: Device) -> Use:
    return next(use for use in one.uses if use.device_kind == device.kind)
