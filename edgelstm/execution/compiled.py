"""The numba engine: layers one after the other, in one compiled call."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgelstm.execution.bidirectional import BidirectionalStage
from edgelstm.execution.bytecode import encode
from edgelstm.execution.chained import Chained
from edgelstm.execution.fused import packed_layer
from edgelstm.execution.reading import ReadingStage
from edgelstm.execution.stages import (
    Call,
    EndStage,
    FusedStage,
    ProgramStage,
    Stage,
    States,
    cores,
)
from edgelstm.layers.directions import is_bidirectional
from edgelstm.layers.read_steps import (
    READING,
    ReadSteps,
    backward,
    largest_starts,
    result_steps,
)
from edgelstm.layers.without_numbers import WithoutNumbers

# Type of integers, and the end of the network where they stand, to the template in kernels/ends.py.
ENDS = {
    ("int8", "in"): "quantize",
    ("int8", "out"): "dequantize",
    ("int16", "in"): "quantize16",
    ("int16", "out"): "dequantize16",
}


class NumbaEngine:
    """The compiled kernels: each layer with its fused kernel if it has one.

    Neighbours without one share a program. Sequences are spread over the cores.
    """

    def __init__(self, network: Any, batch: int | None) -> None:
        self._network = network
        self._batch, self._batched = 1 if batch is None else batch, batch is not None
        self._workers = max(1, min(self._batch, cores()))
        self._taken: list[Stage] = []  # by each layer that holds numbers
        self._chains: dict[bool, Chained] = {}
        self._anew = backward(network.layers)  # what reads backwards alone, in each call
        self._reads = [layer for layer in network.layers if isinstance(layer, READING)]
        self._stages: list[Stage | None] = []  # None: the last step is read here
        for _, group in itertools.groupby(enumerate(network.layers), _standing):
            self._stages.append(self._stage([layer for _, layer in group]))
        self._computing = [stage for stage in self._stages if stage]

    def _stage(self, layers: Sequence[Any]) -> Stage | None:
        first = layers[0]
        if self._reads == [first] and getattr(first, "reads", None) == ("last",):
            return None
        if isinstance(first, WithoutNumbers):
            start = largest_starts(self._network.layers).get(first.name)
            return ReadingStage(first, self._type(), self._batch, start)
        if is_bidirectional(first):
            stage: Stage = BidirectionalStage(
                first.parts, lambda part, place: _part_stage((part,), self._batch, place)
            )
        else:
            begins_anew = any(layer.name in self._anew for layer in layers)
            parts = [part for layer in layers for part in layer.parts]
            stage = _part_stage(parts, self._batch, _place(parts[-1], begins_anew=begins_anew))
        self._taken += [stage] * len(layers)
        return stage

    def _type(self) -> np.dtype[Any]:
        """Of what comes to the next stage."""
        before = [stage for stage in self._stages if stage]
        scale = self._network.input
        return before[-1].type if before else np.dtype(scale.type if scale else np.float32)

    def call(self, *, is_step: bool, real: bool) -> Call:
        """See `backends.Engine`."""
        return self._chain(real=real).call(is_step=is_step)

    def _chain(self, *, real: bool) -> Chained:
        if real not in self._chains:
            self._chains[real] = self._new_chain(real=real)
        return self._chains[real]

    def _new_chain(self, *, real: bool) -> Chained:
        network = self._network
        integers = network.input is not None
        kind = np.dtype(np.float32 if real or not integers else network.input.type)
        stages, normal = self._stages, None
        if real and integers:
            x, y = network.input, network.output
            door = EndStage(ENDS[x.type, "in"], network.input_size, x.type, scale=x)
            out = EndStage(ENDS[y.type, "out"], network.output_size, np.float32, scale=y)
            stages = [door, *stages, out]
        if real and network.input_mean is not None:
            normal = np.stack([network.input_mean, network.input_std])
            stages = [EndStage("normalize", network.input_size, np.float32, normal=normal), *stages]
        return Chained(
            stages,
            (network.input_size, kind),
            self._batch,
            batched=self._batched,
            workers=self._workers,
            y_steps=result_steps(network.layers, (0,)),
            reads=any(isinstance(layer, ReadSteps) for layer in network.layers),
            finite=real and integers,
            normal=normal,
        )

    def _kernels(self, *, is_step: bool) -> list[Any]:
        """Of every form of call."""
        chains = [self._chain(real=real) for real in (True, False)]
        return list(dict.fromkeys(k for one in chains for k in one.kernels(is_step=is_step)))

    def kernels(self) -> list[Any]:
        """See `backends.Engine`."""
        return self._kernels(is_step=False)

    def step_kernels(self) -> list[Any]:
        """See `backends.Engine`."""
        return self._kernels(is_step=True)

    def team_kernels(self) -> list[Any]:
        """See `backends.Engine`."""
        return self._chain(real=True).team_kernels()

    def roads(self) -> list[str]:
        """See `backends.Engine`."""
        return [f"{stage.road}{self._shared(stage)}" for stage in self._taken]

    def _shared(self, stage: Stage) -> str:
        """What a road says of the threads that share a stage."""
        threads = max((chain.threads(stage) for chain in self._chains.values()), default=1)
        return f", units shared by {threads} threads" if threads > 1 else ""

    def states(self) -> States:
        """See `backends.Engine`."""
        found = (item for stage in self._computing for item in stage.states().items())
        return {layer: s for layer, s in found if layer not in self._anew}

    def set_states(self, new: States) -> None:
        """See `backends.Engine`."""
        for stage in self._computing:
            if not self._anew.intersection(stage.states()):
                stage.set_states(new)

    def reset(self) -> None:
        """See `backends.Engine`."""
        for stage in self._computing:
            stage.reset()


def _standing(numbered: tuple[int, Any]) -> int:
    """The same for neighbours that share a program, else another for each."""
    k, layer = numbered
    if not layer.parts or is_bidirectional(layer) or packed_layer(layer.parts[0]) is not None:
        return k
    return -1


def _place(part: Any, *, begins_anew: bool) -> Any:
    from edgelstm.kernels.links import Place

    return Place(part.output_size, begins_anew=begins_anew)


def _part_stage(parts: Sequence[Any], batch: int, place: Any) -> Stage:
    packed = packed_layer(parts[0])
    if packed is None:
        return ProgramStage(encode(parts), batch, place)
    return FusedStage(parts[0].name, packed, batch, place)
