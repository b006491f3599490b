"""Alternatives: the same network with other cells, sizes or fewer products, and what that makes."""

import dataclasses
from collections.abc import Callable
from typing import Any

from edgelstm.cost.counts import Counts, LayerCounts
from edgelstm.cost.cycles import Interval
from edgelstm.cost.energy import Energy, estimate
from edgelstm.cost.traffic import constant_bytes
from edgelstm.devices.device import Device
from edgelstm.layers.dense import Dense
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Layer, Network
from edgelstm.model.sizes import direction, zeros
from edgelstm.text import instead

# LSTMs, and the same with coupled gates.
LSTMS = {"lstm": "lstm_coupled", "lstm_peephole": "lstm_coupled_peephole"}


@dataclasses.dataclass(frozen=True)
class Advice:
    """One technique that applies.

    Attributes:
        technique: What to do.
        effect: On this network, in words and numbers.
        macs, parameter_bytes, energy_uj: Of a step afterwards, weights and biases as they are read;
            None where they stay or are not known.
        mark: How well the gain is known.
        source: Where it stands.
    """

    technique: str
    effect: str
    macs: int | None
    parameter_bytes: int | None
    energy_uj: float | None
    mark: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        """An object of `advice` in reports."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Situation:
    """What advice is for: the step's counts and energy, and how it is estimated.

    `has_file` tells of a network and a precision whether a file of them can be made for the device:
    what has none is not advised.
    """

    counts: Counts
    energy: Energy
    device: Device
    kernels: str | None = None
    clock_mhz: float | None = None
    cores: int = 1
    has_file: Callable[[Network, str], bool] = lambda network, precision: True

    def again(self, counts: Counts, kernels: str | None = None) -> Energy:
        """The estimate on this device, at this clock, for other counts or kernels."""
        chosen = kernels or self.kernels
        return estimate(counts, self.device, chosen, self.clock_mhz, cores=self.cores)


def changed(
    now: Situation, technique: str, counts: Counts, mark: str, source: str, *, text: str = ""
) -> Advice:
    """What other counts make of the step."""
    macs, stored = counts.total.macs, constant_bytes(counts)
    old_macs, old_stored = now.counts.total.macs, constant_bytes(now.counts)
    parts = []
    if macs != old_macs:
        parts.append(instead(macs, old_macs, "MACs"))
    if stored != old_stored:
        parts.append(instead(stored, old_stored, "B of parameters read"))
    before, after = now.energy.energy_uj, now.again(counts).energy_uj
    energy = None
    if before and after and before.typical and after.typical:
        energy = after.typical
        parts.append(instead(energy, before.typical, "uJ"))
    return Advice(technique, text + ", ".join(parts), macs, stored, energy, mark, source)


def rebuilt(
    counts: Counts,
    cells: dict[str, str] | None = None,
    projection: Callable[[LayerCounts], int] | None = None,
) -> Network:
    """A network of zeros with the sizes that were counted, and other cells or projections."""
    layers: list[Layer] = []
    size = counts.layers[0].input_size
    for layer in counts.layers:
        before = layers[-1] if layers else None
        if isinstance(before, Recurrent) and layer.reverse:
            forward = before.forward
            layers[-1] = Recurrent((forward, dataclasses.replace(forward, name=layer.name)))
        elif layer.cell_name is None:
            tables = {"sigmoid": layer.total.sigmoids, "tanh": layer.total.tanhs}
            activation = next((name for name, number in tables.items() if number), None)
            given = layer.hidden_size
            layers.append(Dense(layer.name, zeros(given, size), zeros(given), activation))
        else:
            cell = (cells or {}).get(layer.cell_name, layer.cell_name)
            project = projection and layer.cell_name in LSTMS
            given = projection(layer) if projection and project else projection_size(layer)
            sizes = size, layer.hidden_size
            layers.append(Recurrent((direction(cell, layer.name, sizes, given or None),)))
        size = layers[-1].output_size
    return Network(tuple(layers))


def with_macs(counts: Counts, macs_of: Callable[[LayerCounts], int]) -> Counts:
    """Counts whose recurrent layers have other MACs, and weights in proportion."""
    layers = []
    for layer in counts.layers:
        if layer.gates:
            row, macs = layer.total, macs_of(layer)
            saved = row.macs - macs
            row = dataclasses.replace(
                row,
                macs=macs,
                muls=row.muls - saved,
                adds=row.adds - saved,
                weight_bytes=round(row.weight_bytes * macs / row.macs),
            )
            layer = dataclasses.replace(layer, total=row)
        layers.append(layer)
    names = ("macs", "muls", "adds", "weight_bytes")
    sums = {name: sum(getattr(layer.total, name) for layer in layers) for name in names}
    total = dataclasses.replace(counts.total, **sums)
    return dataclasses.replace(counts, layers=tuple(layers), total=total)


def projection_size(layer: LayerCounts) -> int:
    """Projection size; 0 without one."""
    return layer.cell.macs // layer.hidden_size if layer.gates else 0


def middle(interval: Interval) -> float:
    """The typical value of an interval, or its upper end where there is none."""
    return interval.high if interval.typical is None else interval.typical
