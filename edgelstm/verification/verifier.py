"""verify: a written file in every runtime that is here, compared with what the laptop computes.

The expected values come from the oracles: the equations in float64, the integer list in the
rounding of that runtime. Integers are compared for equality.
"""

import dataclasses
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import MOST_STEPS, check_type, check_whole
from edgelstm.devices.cores import CORES
from edgelstm.errors import ModelError
from edgelstm.formats import AnyNetwork, facts, read
from edgelstm.formats.signature import FileFacts
from edgelstm.formats.table import suffix_of
from edgelstm.layers.read_steps import at_each_step, can_read_each
from edgelstm.model.forward import forward
from edgelstm.model.front import entered
from edgelstm.model.network import Network
from edgelstm.model.precision import FUSED
from edgelstm.quantization import reference
from edgelstm.quantization.fixedpoint import quantize_reals
from edgelstm.quantization.rounding import LITERT, ONNXRUNTIME, TFLITE_RUNTIME, TFLM, Arithmetic
from edgelstm.quantization.scales import Scale
from edgelstm.text import counted
from edgelstm.verification.fidelity import snr_db
from edgelstm.verification.results import Verification, Verified
from edgelstm.verification.sampling import (
    MOST_VALUES,
    affordable_sequences,
    random_sequences,
    widest,
)

Array = NDArray[Any]

# Which runtimes a file is for, by format and precision; a folder of C also its core. A hybrid
# .tflite loads in TFLM and gives NaN there.
SERVES = {
    (".tflite", "float32"): ("tflm", "litert", "tflite-runtime"),
    (".tflite", "int8"): ("tflm", "litert", "tflite-runtime"),
    (".tflite", "int16x8"): ("tflm", "litert", "tflite-runtime"),
    (".tflite", "hybrid"): ("litert", "tflite-runtime"),
    (".onnx", "float32"): ("onnxruntime",),
    (".onnx", "int8"): ("onnxruntime",),
    (".onnx", "int16x8"): ("onnxruntime",),
    (".onnx", "hybrid"): ("onnxruntime",),
    ("_c", "float32"): ("host",),
    ("_c", "int8"): ("host",),
    ("_c", "int16x8"): ("host",),
}
FUSED_16X8 = ("tflm",)  # LiteRT and its predecessor refuse that operator
# Whose bits an integer file gives in a runtime; the integer .onnx is TFLM's arithmetic.
ORACLES: dict[str, Arithmetic] = {
    "tflm": TFLM,
    "onnxruntime": ONNXRUNTIME,
    "litert": LITERT,
    "tflite-runtime": TFLITE_RUNTIME,
    "host": TFLM,
    **dict.fromkeys(CORES, TFLM),
}
FLOAT_TOLERANCE = 1e-5  # times max(1, max|y|): float32 sums in another order
HYBRID_TOLERANCE = 0.05  # times max|y|: runtimes round x and h each in their own way
HYBRID_SNR_DB = 25.0

Told = Callable[[str, str], None]


def verify(
    path: str | os.PathLike[str],
    network: AnyNetwork | None = None,
    *,
    n_sequences: int | None = None,
    steps: int | None = None,
    tell: Told | None = None,
) -> Verification:
    """Runs a file in every runtime that it is for and compares each value.

    Args:
        path: A `.tflite` or `.onnx` file, or a folder of C.
        network: What the file should compute; None: the network that is read from the file.
        n_sequences: Random sequences, half inside the calibrated range, half far outside; None: up
            to 128, fewer for large networks, which TFLM's reference kernels run slowly.
        steps: Steps of each, for files that do not fix them; None: 32.
        tell: Called with (file, runtime) before each runtime.

    Raises:
        ModelError: The file is broken, or of a format without a runtime.
    """
    path = pathlib.Path(path)
    if n_sequences is not None:
        check_whole(n_sequences, "sequences", most=MOST_VALUES)
    if steps is not None:
        check_whole(steps, "steps", most=MOST_STEPS)
    twin = read(path) if network is None else network
    check_type(twin, AnyNetwork, "network", "the network that was written is needed, or None")
    names, about = _runtimes(path, twin), facts(path)
    if twin.fixed_steps:
        about = dataclasses.replace(about, steps=twin.fixed_steps)
    names += (about.core,) if about.core else ()
    n_steps = _steps(path, about, steps)
    n = affordable_sequences(twin, n_steps) if n_sequences is None else n_sequences
    told = _too_much(n, n_steps, widest(twin))
    if told and (n_sequences is not None or steps is not None):
        raise ModelError(f"{path}: {told}")
    if told:
        return Verification(tuple(_not_run(path, name, "skipped", told) for name in names))
    x = random_sequences(twin, n, n_steps)
    results = []
    for name in names:
        if tell:
            tell(path.name, name)
        if name in about.refused_by:
            told = f"{name} {about.refused_by[name]}"
            results.append(_not_run(path, name, "skipped", told))
        else:
            results.append(_verify_in(name, path, twin, (about, x)))
    return Verification(tuple(results))


def _runtimes(path: pathlib.Path, network: AnyNetwork) -> tuple[str, ...]:
    """Those that run such a file; `ModelError` if none does."""
    precision, suffix = network.precision, suffix_of(path)
    names = SERVES.get((suffix, precision))
    if (suffix, precision, network.form) == (".tflite", "int16x8", FUSED):
        return FUSED_16X8
    if names is None:
        raise ModelError(
            f"{path}: no runtime runs a {precision} file '{path.suffix}'; "
            "give a .tflite or .onnx file, or a folder of C"
        )
    return names


def _too_much(n_sequences: int, steps: int, width: int) -> str | None:
    """Why so many values are not checked, or None; nothing of them is made before."""
    values = n_sequences * steps * width
    if values <= MOST_VALUES:
        return None
    return (
        f"{counted(n_sequences, 'sequence')} of {counted(steps, 'step')} pass {values:,} values "
        f"through a layer; at most {MOST_VALUES:,} are checked: take fewer sequences or steps"
    )


def _steps(path: pathlib.Path, about: FileFacts, steps: int | None) -> int:
    fixed = None if about.streaming else about.steps
    if steps is None:
        return fixed or 32
    if fixed not in (None, steps):
        raise ModelError(f"{path}: steps is {steps}; {fixed} is needed")
    return steps


def _verify_in(
    runtime: str, path: pathlib.Path, network: AnyNetwork, case: tuple[FileFacts, Array]
) -> Verified:
    from edgelstm.runtimes.isolation import execute

    about, x = case
    if about.has_softmax and network.dropped_softmax:
        reason = (
            "its int8 softmax has no arithmetic that runtimes share; the logits are not given out"
        )
        return _not_run(path, runtime, "skipped", reason)
    scales = _end_scales(network)
    into = None if network.indices else scales and scales[0]
    sent = _as_file_takes(x, into, about.input_type)
    done = execute(
        runtime, path, sent, streaming=about.streaming, initial_states=about.initial_states
    )
    if done.outputs is None:
        return _not_run(path, runtime, done.status, done.reason)
    expected = expected_outputs(network, x, runtime, every_step=about.streaming)
    got = done.outputs
    if scales and about.output_type == "float32":
        got = quantize_reals(got, scales[1].scale, scales[1].zero_point, scales[1].limits)
    return compared(str(path), runtime, (expected, got), network)


def _not_run(path: pathlib.Path, runtime: str, status: str, reason: str | None) -> Verified:
    return Verified(str(path), runtime, status, reason, 0, None, None, 0)


def _end_scales(network: AnyNetwork) -> tuple[Scale, Scale] | None:
    if network.input is None or network.output is None:
        return None
    return network.input, network.output


def _as_file_takes(x: Array, scale: Scale | None, input_type: str) -> Array:
    """Files of others may take real values around an integer network."""
    if input_type == "int32":  # indices
        return x.astype(input_type)
    if scale is None or input_type != "float32":
        return x
    return scale.reals(x)


def expected_outputs(network: AnyNetwork, x: Array, runtime: str, *, every_step: bool) -> Array:
    """What a runtime must give: (n, steps, outputs), or (n, outputs) for a head over the last step.

    `every_step`: a streaming file, which gives the head's result at each step.
    """
    if every_step and not can_read_each(network.layers):
        prefixes = (x[:, : t + 1] for t in range(x.shape[1]))
        ends = [expected_outputs(network, x_t, runtime, every_step=False) for x_t in prefixes]
        return np.stack(ends, 1)
    if every_step:
        network = at_each_step(network)
    if isinstance(network, Network):
        return forward(network, x)
    x, network = entered(network, x), network.behind
    if x.dtype == np.float32 and network.input is not None:  # rows of a table
        scale = network.input
        x = quantize_reals(x, scale.scale, scale.zero_point, scale.limits)
    arithmetic = ORACLES[runtime]
    if every_step:  # a call sees one step
        hybrid = dataclasses.replace(arithmetic.hybrid, whole_sequence=False)
        arithmetic = dataclasses.replace(arithmetic, hybrid=hybrid)
    start = reference.initial_states(network, len(x))
    return reference.advance(network, x, start, arithmetic)[0]


def compared(
    artifact: str, runtime: str, pair: tuple[Array, Array], network: AnyNetwork
) -> Verified:
    """Counts what differs between (expected, got)."""
    expected, got = pair
    if expected.shape != got.shape:
        shapes = f"gives shape {got.shape} where {expected.shape} is expected"
        return Verified(artifact, runtime, "differs", shapes, 0, None, None, 0)
    difference = np.abs(expected.astype(np.float64) - got)
    tolerance = _tolerance(network, expected)
    mismatches = int(difference.size - np.count_nonzero(difference <= tolerance))  # counts NaN
    reason: str | None = None
    if mismatches:
        overflown = int(got.size - np.isfinite(got).sum())
        which = f", {overflown:,} of them not finite" if overflown else ""
        reason = f"{mismatches:,} of {counted(difference.size, 'value')} differ{which}"
    elif network.precision == "hybrid":
        snr = snr_db(expected, got)
        if snr is not None and snr < HYBRID_SNR_DB:
            reason = f"signal-to-noise ratio is {snr:.1f} dB; {HYBRID_SNR_DB:.0f} dB are needed"
    largest = float(difference.max(initial=0))
    return Verified(
        artifact,
        runtime,
        "differs" if reason else "ok",
        reason,
        difference.size,
        mismatches,
        largest if np.isfinite(largest) else None,
        tolerance,
    )


def _tolerance(network: AnyNetwork, expected: Array) -> float:
    largest = float(np.abs(expected).max(initial=0))
    if isinstance(network, Network):
        return FLOAT_TOLERANCE * max(1, largest)
    return HYBRID_TOLERANCE * largest if network.input is None else 0.0
