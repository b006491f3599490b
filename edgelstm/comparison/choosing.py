"""Which row of a comparison is used on which device, and why each other one is not."""

import dataclasses
import pathlib
from collections.abc import Sequence

from edgelstm.comparison import costs
from edgelstm.comparison.table import OnDevice, Row
from edgelstm.comparison.use import Use
from edgelstm.devices.device import Device
from edgelstm.formats import AnyNetwork
from edgelstm.formats.table import suffix_of
from edgelstm.layers.directions import parts
from edgelstm.model.forms import precision_for
from edgelstm.model.network import Network
from edgelstm.verification.results import FAILED


@dataclasses.dataclass(frozen=True, eq=False)
class Made:
    """A row before it is known which one to use where.

    Attributes:
        network: What was written; the float one where there is no such network.
        row: What was found of it.
        uses: Its file for each of the row's devices.
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
                _decided(one, on, use, device, best[device.name])
                for on, use, device in zip(one.row.devices, one.uses, devices, strict=False)
            ),
        )
        for one in made
    )


def _best(network: Network, device: Device, made: Sequence[Made]) -> Made | None:
    """What `export` writes for the device; else the first that runs there and fits."""
    precision = costs.default_precision(network, device)
    form = precision_for(parts(network.layers), precision).form
    usual = [one for one in made if (one.row.precision, one.row.form) == (precision, form)]
    return next((one for one in (*usual, *made) if _obstacle(one, device) is None), None)


def _decided(one: Made, on: OnDevice, use: Use, device: Device, best: Made | None) -> OnDevice:
    obstacle = _obstacle(one, device)
    if obstacle is not None or best is None:
        return dataclasses.replace(on, reason=obstacle or "")
    if best is one:
        suffix = suffix_of(pathlib.Path(use.artifact or "")).lstrip("._")
        return dataclasses.replace(on, use=suffix, reason=f"{use.runtime}: {use.reason}")
    told = f"runs in {use.runtime}; {best.row.name} is what `export` takes for {device.name}"
    return dataclasses.replace(on, reason=told)


def _obstacle(one: Made, device: Device) -> str | None:
    """Why a row is not used on a device; None if it may be."""
    both = zip(one.row.devices, one.uses, strict=True)
    on, use = next((pair for pair in both if pair[0].device == device.name), (None, None))
    if on is None or use is None:
        return one.row.reason or "there is no such network"
    if use.artifact is None:
        return use.reason
    name = pathlib.Path(use.artifact).name
    if any(v.status in FAILED and v.artifact == name for v in one.row.verified):
        return f"{name} failed a check"
    return f"does not fit {device.name}" if on.fit.fits is False else None
