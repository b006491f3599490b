"""Entrants: what takes turns. Files for every engine, each checked as it will be called."""

import contextlib
import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.traffic import constant_bytes
from edgelstm.errors import ModelError
from edgelstm.formats import AnyNetwork, facts, write
from edgelstm.layers.directions import check_whole_sequence
from edgelstm.measurement.engines import ENGINES, Engine
from edgelstm.measurement.results import MODES, SEQUENCE, STEP, Skipped
from edgelstm.model.front import entered
from edgelstm.quantization.fixedpoint import quantize_reals
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.runtimes.isolation import Called, Execution, begin_calls, finish_calls
from edgelstm.verification.results import Verified
from edgelstm.verification.sampling import random_sequences
from edgelstm.verification.verifier import compared, expected_outputs

Tell = Callable[[str], None]
Values = NDArray[Any]
CHECK_S = 300.0  # of each entrant; kernels may have to be compiled first
CHECKED_SEQUENCES = 4  # half inside the calibrated range, half far outside
UNCHECKED = Verified("", "", "skipped", "not checked yet", 0, None, None, 0)


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """What is measured.

    Attributes:
        networks: By precision.
        x: float32 (steps, input_size): a sequence.
    """

    networks: dict[str, AnyNetwork]
    x: NDArray[np.float32]

    @property
    def modes(self) -> tuple[str, ...]:
        """Single steps where they exist."""
        try:
            check_whole_sequence(next(iter(self.networks.values())).layers)
        except ModelError:
            return (SEQUENCE,)
        return MODES

    def input(self, precision: str, mode: str) -> Values:
        """What a call is given: integers of a network that takes them."""
        network = self.networks[precision]
        given, scale = self.x[0] if mode == STEP else self.x, network.input
        if scale is None:
            return given.copy()
        rows = entered(network, given)
        return quantize_reals(rows, scale.scale, scale.zero_point, scale.limits).astype(scale.type)


@dataclasses.dataclass(frozen=True, eq=False)
class Entrant:
    """An engine that runs a network in a precision and a mode, and gives the right values."""

    name: str
    engine: Engine
    precision: str
    mode: str
    steps: int
    preparer: str
    path: pathlib.Path
    initial_states: dict[str, Values]
    verified: Verified
    counts: Counts

    @property
    def weight_bytes(self) -> int:
        """Of weights and biases."""
        return constant_bytes(self.counts)

    @property
    def digest(self) -> str:
        """SHA-256 of the file; of a folder, of all its files in order."""
        files = sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]
        found = hashlib.sha256()
        for file in files:
            found.update(file.read_bytes() if file.is_file() else b"")
        return found.hexdigest()


def entrants(
    case: Case,
    names: tuple[str, ...] | None,
    folder: pathlib.Path,
    tell: Tell,
    *,
    two_at_once: bool = False,
) -> Iterator[Entrant | Skipped]:
    """What can be measured, and what cannot and why.

    Args:
        case: Networks and input.
        names: Of engines; None: all that run here and are not left out by default.
        folder: Where files are written.
        tell: What is going on.
        two_at_once: Whether the last engine is checked while the others are.
    """
    groups: list[list[Entrant]] = []
    for name, engine in ENGINES.items():
        if names is not None and name not in names:
            continue
        candidates: list[Entrant] = []
        for found in _candidates(case, name, engine, folder, named=names is not None):
            if isinstance(found, Skipped):
                yield found
            else:
                candidates.append(found)
        groups += [candidates] if candidates else []
    yield from _all_checked(case, groups, tell, two_at_once=two_at_once)


def _all_checked(
    case: Case, groups: list[list[Entrant]], tell: Tell, *, two_at_once: bool
) -> Iterator[Entrant | Skipped]:
    with contextlib.ExitStack() as stack:
        calls = [_calls(case, candidates) for candidates in groups]
        beside = len(groups) - 1 if two_at_once and len(groups) > 1 else None
        last = None if beside is None else stack.enter_context(begin_calls(calls[beside]))
        for k, candidates in enumerate(groups):
            name = candidates[0].name
            compiles = "; its kernels are compiled once" if name == "numba" else ""
            tell(f"checking {name}{compiles}")
            timeout_s = CHECK_S * len(candidates)
            with contextlib.nullcontext(last) if k == beside else begin_calls(calls[k]) as child:
                assert child
                expected = _expected(case, candidates, calls[k])  # while it starts
                done = finish_calls(child, calls[k], timeout_s=timeout_s)
            yield from _judged(case, candidates, expected, done)


def _candidates(
    case: Case, name: str, engine: Engine, folder: pathlib.Path, *, named: bool
) -> Iterator[Entrant | Skipped]:
    """What an engine may run; its files are written."""
    if engine.obstacle:
        yield Skipped(name, None, None, "skipped", engine.obstacle, engine.install)
        return
    for precision in case.networks:
        if why := _left_out(case, name, engine, precision, named=named):
            yield Skipped(name, precision, None, "skipped", why, None)
            continue
        for mode in case.modes:
            yield _candidate(case, (name, engine), (precision, mode), folder)


def _left_out(case: Case, name: str, engine: Engine, precision: str, *, named: bool) -> str | None:
    """Why an engine is not measured in a precision, or None."""
    if precision not in engine.preparers or (engine.source or precision) not in case.networks:
        return f"{name} runs no {precision} network"
    if told := engine.refusal(case.networks[engine.source or precision]):
        return told
    return None if named else engine.why_left_out(precision)


def _candidate(
    case: Case, named: tuple[str, Engine], kind: tuple[str, str], folder: pathlib.Path
) -> Entrant | Skipped:
    """An entrant that is still to be checked; its file is written once for all who take it."""
    (name, engine), (precision, mode) = named, kind
    network = case.networks[engine.source or precision]
    steps, is_step = len(case.x), mode == STEP
    try:
        if engine.suffix in (".npz", "_c"):  # of any number of steps
            path, states = folder / f"{network.precision}{engine.suffix}", {}
            if not path.exists():
                write(network, path)
        else:
            path = folder / f"{network.precision}_{mode}{engine.suffix}"
            if not path.exists():
                write(network, path, steps=None if is_step else steps, streaming=is_step)
            states = {k: np.asarray(v) for k, v in facts(path).initial_states.items()}
    except ModelError as error:
        return Skipped(name, precision, mode, "skipped", str(error), None)
    counted = case.networks[precision]
    counts = count(counted, precision=None if isinstance(counted, QuantizedNetwork) else "float32")
    preparer = engine.preparers[precision]
    return Entrant(name, engine, precision, mode, steps, preparer, path, states, UNCHECKED, counts)


def _calls(case: Case, candidates: list[Entrant]) -> list[Called]:
    """All of an engine, called in a process of its own as they will be measured."""
    inputs = [_check_input(case.networks[one.precision], one) for one in candidates]
    return [
        Called(one.preparer, str(one.path), x[0] if one.mode == STEP else x, one.initial_states)
        for one, x in zip(candidates, inputs, strict=True)
    ]


def _expected(case: Case, candidates: list[Entrant], calls: list[Called]) -> list[Values]:
    """What the oracle gives for each."""
    found = []
    for one, called in zip(candidates, calls, strict=True):
        is_step = one.mode == STEP
        x = called.sequences[None] if is_step else called.sequences
        network = case.networks[one.precision]
        found.append(expected_outputs(network, x, one.engine.oracle, every_step=is_step))
    return found


def _judged(
    case: Case, candidates: list[Entrant], expected: list[Values], done: list[Execution]
) -> Iterator[Entrant | Skipped]:
    """Compared with the oracle."""
    for one, values, found in zip(candidates, expected, done, strict=True):
        verified = _verified(case.networks[one.precision], one, values, found)
        if verified.status == "ok":
            yield dataclasses.replace(one, verified=verified)
        else:
            reason = verified.reason or verified.status
            yield Skipped(one.name, one.precision, one.mode, verified.status, reason, None)


def _check_input(network: AnyNetwork, one: Entrant) -> Values:
    x = random_sequences(network, CHECKED_SEQUENCES, one.steps)
    # In single steps the state goes on from the calm half to the wild one.
    return x.reshape(1, -1, x.shape[-1]) if one.mode == STEP else x


def _verified(network: AnyNetwork, one: Entrant, expected: Values, done: Execution) -> Verified:
    path = str(one.path)
    if done.outputs is None:
        return Verified(path, one.name, done.status, done.reason, 0, None, None, 0)
    fits = done.outputs.size == expected.size
    got = done.outputs.reshape(expected.shape) if fits else done.outputs
    return compared(path, one.name, (expected, got), network)
