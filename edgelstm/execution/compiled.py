"""The numba engine: layers one after the other, in one compiled call wherever that can be."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edgelstm.execution.bidirectional import BidirectionalStage
from edgelstm.execution.bytecode import encode
from edgelstm.execution.chained import Chained
from edgelstm.execution.fused import packed_layer
from edgelstm.execution.reading import ReadStage
from edgelstm.execution.stages import (
    UNFIT,
    Call,
    EndStage,
    FusedStage,
    ProgramStage,
    Stage,
    States,
    cores,
)
from edgelstm.layers.directions import is_bidirectional
from edgelstm.layers.read_steps import WITHOUT, ReadSteps, backward, largest_starts

# Type of integers, and the end of the network where they stand, to the template in kernels/ends.py.
ENDS = {
    ("int8", "in"): "quantize",
    ("int8", "out"): "dequantize",
    ("int16", "in"): "quantize16",
    ("int16", "out"): "dequantize16",
}
AnyStage = Stage | ReadStage | None  # None: the last step is read here


class NumbaEngine:
    """The compiled kernels: each layer with its fused kernel if it has one.

    Neighbours without one share a program. Sequences are spread over the cores. What reads more of
    the steps than the last cuts the chain in two.
    """

    def __init__(self, network: Any, batch: int | None) -> None:
        self._network = network
        self._batch, self._batched = 1 if batch is None else batch, batch is not None
        self._workers = max(1, min(self._batch, cores()))
        self._taken: list[Stage] = []  # by each layer that holds numbers
        self._made: dict[bool, list[Chained | ReadStage]] = {}
        self._stages = [
            self._stage([layer for _, layer in group])
            for _, group in itertools.groupby(enumerate(network.layers), _standing)
        ]
        self._computing = [stage for stage in self._stages if stage]
        self._anew = backward(network.layers)  # what reads backwards alone, in each call

    def _stage(self, layers: Sequence[Any]) -> AnyStage:
        first = layers[0]
        if isinstance(first, ReadSteps) and first.reads == ("last",):
            return None
        if isinstance(first, WITHOUT):
            starts = largest_starts(self._network.layers)
            return ReadStage(first, self._batch, starts.get(first.name))
        if is_bidirectional(first):
            stage: Stage = BidirectionalStage(
                first.parts, lambda part, place: _part_stage((part,), self._batch, place)
            )
        else:
            stage = _part_stage([part for layer in layers for part in layer.parts], self._batch)
        self._taken += [stage] * len(layers)
        return stage

    def call(self, *, is_step: bool, real: bool) -> Call:
        """See `backends.Engine`."""
        only, *others = calls = self._calls(real=real)
        if isinstance(only, Chained) and not others:
            return only.call(is_step=is_step)
        finite = real and self._network.input is not None
        if is_step:
            return self._step_call(calls, real=real)

        def call(x: Any, y: Any) -> int:
            if finite and not np.isfinite(x).all():
                return int(x.size - np.isfinite(x).sum())
            x = x.reshape(self._batch, -1 if x.size else x.shape[-2], x.shape[-1])
            if self._anew:
                self._begin_anew()
            for one in calls:
                x = one(x)
            y[...] = x.reshape(y.shape)
            return 0

        return call

    def _begin_anew(self) -> None:
        for stage in self._computing:
            if self._anew.intersection(stage.states()):
                stage.reset()

    def _step_call(self, calls: Sequence[Any], *, real: bool) -> Call:
        """Of a step of a network whose max of the steps stands between compiled calls."""
        network, lead = self._network, (self._batch,) if self._batched else ()
        scales = (None, None) if real else (network.input, network.output)
        x_type, y_type = (np.dtype(s.type if s else np.float32) for s in scales)
        finite = real and network.input is not None

        def call(x: Any, y: Any) -> int:
            if not _fits(x, x_type, (*lead, network.input_size)):
                return UNFIT
            if not _fits(y, y_type, (*lead, network.output_size)) or not y.flags.writeable:
                return UNFIT
            if finite and not np.isfinite(x).all():
                return int(x.size - np.isfinite(x).sum())
            made = x.reshape(self._batch, network.input_size)
            for one in calls:
                made = one.step(made)
            y[...] = made.reshape(y.shape)
            return 0

        return call

    def _calls(self, *, real: bool) -> list[Chained | ReadStage]:
        """What is called one after the other: chains, and what stands between them."""
        if real not in self._made:
            self._made[real] = list(self._new_calls(real=real))
        return self._made[real]

    def _new_calls(self, *, real: bool) -> Iterator[Chained | ReadStage]:
        network = self._network
        integers = network.input is not None
        kind = np.dtype(np.float32 if real or not integers else network.input.type)
        x, stages = (network.input_size, kind), self._stages
        if real and integers:
            door = EndStage(
                ENDS[network.input.type, "in"],
                network.input_size,
                network.input.type,
                network.input,
            )
            out = EndStage(
                ENDS[network.output.type, "out"], network.output_size, np.float32, network.output
            )
            stages = [door, *stages, out]
        groups = itertools.groupby(stages, lambda stage: isinstance(stage, ReadStage))
        alone = not any(isinstance(stage, ReadStage) for stage in stages)
        for is_cut, group in groups:
            if is_cut:
                made: list[Any] = list(group)
            else:
                chain = Chained(
                    list(group),  # type: ignore[arg-type]
                    x,
                    self._batch,
                    batched=self._batched or not alone,
                    workers=self._workers,
                    finite=alone and real and integers,
                )
                made = [chain]
            yield from made
            x = made[-1].output_size, np.dtype(getattr(made[-1], "type", None) or x[1])

    def _kernels(self, *, is_step: bool) -> list[Any]:
        """Of every form of call."""
        calls = [call for real in (True, False) for call in self._calls(real=real)]
        return list(dict.fromkeys(k for call in calls for k in call.kernels(is_step=is_step)))

    def kernels(self) -> list[Any]:
        """See `backends.Engine`."""
        return self._kernels(is_step=False)

    def step_kernels(self) -> list[Any]:
        """See `backends.Engine`."""
        return self._kernels(is_step=True)

    def team_kernels(self) -> list[Any]:
        """See `backends.Engine`."""
        calls = self._calls(real=True)
        return [k for call in calls if isinstance(call, Chained) for k in call.team_kernels()]

    def roads(self) -> list[str]:
        """See `backends.Engine`."""
        return [f"{stage.road}{self._shared(stage)}" for stage in self._taken]

    def _shared(self, stage: Stage) -> str:
        """What a road says of the threads that share a stage."""
        chains = [c for calls in self._made.values() for c in calls if isinstance(c, Chained)]
        threads = max((c.threads(stage) for c in chains), default=1)
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


def _fits(array: Any, kind: np.dtype[Any], shape: tuple[int, ...]) -> bool:
    return type(array) is np.ndarray and array.dtype == kind and array.shape == shape


def _standing(numbered: tuple[int, Any]) -> int:
    """The same for neighbours that share a program, else another for each."""
    k, layer = numbered
    if not layer.parts or is_bidirectional(layer) or packed_layer(layer.parts[0]) is not None:
        return k
    return -1


def _part_stage(parts: Sequence[Any], batch: int, place: Any = None) -> Stage:
    packed = packed_layer(parts[0])
    if packed is None:
        return ProgramStage(encode(parts), batch, place)
    return FusedStage(parts[0].name, packed, batch, place)
