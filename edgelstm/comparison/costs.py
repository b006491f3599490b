"""What a network costs on a device: asked here by every command, so that all answer alike."""

import dataclasses
import pathlib

from edgelstm.comparison.use import C
from edgelstm.cost.counts import Counts
from edgelstm.cost.cycles import no_cycles
from edgelstm.cost.energy import Energy, estimate
from edgelstm.cost.laws import BOARD_KERNELS, side_by_side
from edgelstm.cost.memory import FOLDER, Fit, fit
from edgelstm.devices.device import Device
from edgelstm.formats import AnyNetwork, facts, has_file
from edgelstm.formats.onnx import Operator, native
from edgelstm.formats.steps import default_steps
from edgelstm.layers.directions import parts
from edgelstm.quantization.quantized import QuantizedNetwork

BOARD_FORMATS = (".tflite", ".onnx")
# Whose code lies in flash, by whose kernels are counted; C of others has no sourced size.
RUNTIMES = {
    "tflm": "tflm",
    "tflm-unrolled": "tflm",
    "cmsis-nn": "cmsis-nn",
    "published": "tflm",
    "portable": None,
    "edgelstm": FOLDER,
    "interpreter-python": None,
}


def default_precision(network: AnyNetwork, device: Device) -> str:
    """The network's own; else what runs well on the device: int8, hybrid on a Raspberry Pi.

    A hybrid .onnx that is a loop over the steps is not chosen: ONNX Runtime's float operators are
    faster below some 512 units.
    """
    if isinstance(network, QuantizedNetwork):
        return network.precision
    if device.kind != "sbc":
        return "int8"
    suffixes, operators = written_for(network, "hybrid", device), _operators(network, "hybrid")
    runs_well = ".tflite" in suffixes or (suffixes and None not in operators)
    return "hybrid" if runs_well else "float32"


def pays(network: AnyNetwork, precision: str, device: Device) -> bool:
    """Whether a file of it does what is counted: no loop, and no gates that ONNX has twice."""
    suffixes, operators = written_for(network, precision, device), _operators(network, precision)
    as_counted = all(operator and not operator.negated for operator in operators)
    return ".tflite" in suffixes or (bool(suffixes) and as_counted)


def _operators(network: AnyNetwork, precision: str) -> list[Operator | None]:
    """What each direction is in an .onnx file."""
    directions = (part for part in parts(network.layers) if part.kind == "recurrent")
    return [native(direction, precision) for direction in directions]


def written_for(network: AnyNetwork, precision: str, device: Device) -> tuple[str, ...]:
    """Suffixes of the files that `export` writes of it and that something on the device runs."""
    suffixes = BOARD_FORMATS if device.kind == "sbc" else (".tflite", "_c")
    if precision == "hybrid" and device.kind != "sbc":
        return ()
    return tuple(suffix for suffix in suffixes if has_file(network, suffix, precision))


def no_file(network: AnyNetwork, precision: str, device: Device) -> str | None:
    """Why no file of it runs on the device, and what does; None if one does."""
    if written_for(network, precision, device):
        return None
    others = [p for p in ("int8", "hybrid", "float32") if written_for(network, p, device)]
    works = f"--precision {others[0]}" if others else "an LSTM"
    return f"no file yet: none of these cells in {precision} runs on {device.name}; works: {works}"


def fitted(
    network: AnyNetwork,
    counts: Counts,
    device: Device,
    steps: int,
    *,
    runtime: str | None,
    measured_bytes: int | None = None,
    file_bytes: int | None = None,
) -> Fit:
    """`fit`, which says nothing of a file that nothing on the device runs."""
    found = fit(
        counts,
        device,
        steps=steps,
        runtime=runtime,
        measured_bytes=measured_bytes,
        file_bytes=file_bytes,
    )
    return unless(no_file(network, counts.precision, device), found)


def unless(reason: str | None, found: Fit) -> Fit:
    """The answer of `fit`, and none where it fits and no file runs on the device."""
    if reason is None or found.fits is False:
        return found
    return dataclasses.replace(found, fits=None, basis=f"{reason}; {found.basis}")


def kernels_of(counts: Counts, device: Device, runtime: str | None) -> str | None:
    """Whose kernels the file to use runs with; None: those that people usually run."""
    if runtime == C and no_cycles(counts, device, "edgelstm") is None:
        return "edgelstm"
    return None


def call_steps(network: AnyNetwork, path: pathlib.Path | None, asked: int | None) -> int:
    """Steps that a call of the file computes: the file's own; else those asked for.

    Else those of the file that `export` writes; 1 of a streaming file.
    """
    if path is None:
        return asked or default_steps(network, streaming=False)
    about = facts(path)
    return 1 if about.streaming else about.steps or asked or 1


def by_kernels(
    counts: Counts,
    device: Device,
    chosen: Energy,
    *,
    clock_mhz: float | None = None,
    cores: int = 1,
) -> tuple[Energy, ...]:
    """Time and energy with each class of kernels that stands beside the chosen one.

    Args:
        counts: Of a step.
        device: It runs on.
        chosen: The estimate that stands first.
        clock_mhz, cores: The same as for `chosen`.
    """
    is_board = device.kind == "sbc"
    names = BOARD_KERNELS if is_board else side_by_side(chosen.kernels, counts.precision)
    return tuple(
        chosen if name == chosen.kernels else estimate(counts, device, name, clock_mhz, cores=cores)
        for name in dict.fromkeys((chosen.kernels, *names))
    )
