"""Which of the written files is for which kind of device, and what each is not for."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from edgelstm.devices.cores import has_kernel
from edgelstm.devices.device import Device
from edgelstm.formats import AnyNetwork
from edgelstm.formats.onnx import native
from edgelstm.formats.table import suffix_of
from edgelstm.layers.directions import parts
from edgelstm.model.forms import precision_for
from edgelstm.model.precision import COMPOSED
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.text import counted

C, TFLM = "C", "TFLM"
TWIN = "checking, as the exact twin"


@dataclasses.dataclass(frozen=True)
class Use:
    """The file for one kind of device.

    Attributes:
        device_kind: `mcu` or `sbc`, the `kind` of a device's file.
        artifact: Its path; None: none of the written files is for it.
        runtime: What runs it there.
        reason: Why this one, or why none.
    """

    device_kind: str
    artifact: str | None
    runtime: str | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """An object of `use`."""
        return dataclasses.asdict(self)


def file_stem(name: str, network: AnyNetwork) -> str:
    """Of the names of files: a form only where it is not the usual one."""
    stem = f"{name}_{network.precision}"
    if not isinstance(network, QuantizedNetwork) or network.form is None:
        return stem
    usual = precision_for(parts(network.layers), network.precision).form
    return stem if network.form == usual else f"{stem}_{network.form}"


def purpose(network: AnyNetwork, suffix: str) -> tuple[str, str | None]:
    """What a file of the network is for, and what it is not for."""
    precision, integers = network.precision, network.input is not None
    if suffix == ".onnx" and integers:
        return TWIN, "speed: lookup tables of 131 KB each, in a loop"
    if suffix == ".onnx":
        if precision == "hybrid" and not _is_operators(network):
            return "Raspberry Pis and PCs", "speed below some 512 units: a loop"
        return "Raspberry Pis and PCs", MICRO
    if suffix == ".tflite" and precision == "hybrid":
        return "Raspberry Pis and PCs", MICRO
    if suffix == ".tflite" and integers:
        slow = "speed on Raspberry Pis: LiteRT multiplies int16 in plain loops"
        return "microcontrollers", slow if network.form == COMPOSED else None
    if suffix == ".tflite":
        return "microcontrollers with a floating-point unit, Raspberry Pis and PCs", None
    if suffix == "_c":
        return "microcontrollers, without a runtime", None
    return "keeping the network", None


MICRO = "microcontrollers"


def uses(
    network: AnyNetwork,
    paths: Sequence[pathlib.Path],
    operators: Sequence[str],
    arena: int | None,
    core: str = "",
) -> tuple[Use, ...]:
    """A row per kind of device.

    Args:
        network: What was written.
        paths: The files.
        operators: Of the `.tflite` file.
        arena: Bytes that TensorFlow Lite Micro needs for it, where that is known.
        core: Of the microcontroller, where one is known.
    """
    by_suffix = {suffix_of(path): path for path in paths}
    known = operators, arena, core
    return tuple(made(network, by_suffix, known) for made in KINDS.values())


def use_on(
    device: Device,
    network: AnyNetwork,
    paths: Sequence[pathlib.Path],
    operators: Sequence[str],
    arena: int | None,
) -> Use:
    """The row of `uses` for one device."""
    every = uses(network, paths, operators, arena, device.core)
    return next(use for use in every if use.device_kind == device.kind)


def _for_mcu(
    network: AnyNetwork,
    by_suffix: dict[str, pathlib.Path],
    known: tuple[Sequence[str], int | None, str],
) -> Use:
    folder, path = by_suffix.get("_c"), by_suffix.get(".tflite")
    operators, arena, core = known
    if folder is not None and (path is None or has_kernel(core)):
        why = "no runtime, one state in RAM, the same bits on every core"
        return Use("mcu", str(folder), C, why)
    if network.precision == "hybrid":
        return Use("mcu", None, None, "no runtime there runs hybrid; --precision int8")
    if path is None:
        return Use("mcu", None, None, "no .tflite file was written; --formats tflite")
    told = [counted(len(operators), "operator")] * bool(operators)
    if arena is not None:
        told.append(f"arena {arena:,} B")
    return Use("mcu", str(path), TFLM, ", ".join(told) or "one file, no operating system")


def _for_sbc(
    network: AnyNetwork,
    by_suffix: dict[str, pathlib.Path],
    known: tuple[Sequence[str], int | None, str],
) -> Use:
    if network.input is not None:
        return Use("sbc", None, None, "hybrid or float32 is faster there: --device rpi-4b")
    onnx, tflite = by_suffix.get(".onnx"), by_suffix.get(".tflite")
    if onnx and (network.precision != "hybrid" or _is_operators(network)):
        return Use("sbc", str(onnx), "ONNX Runtime", "its own operators of these cells")
    if tflite:
        return Use("sbc", str(tflite), "LiteRT", "products by the processor's vectors")
    if onnx:
        return Use("sbc", str(onnx), "ONNX Runtime", "a loop; float32 may be faster")
    return Use("sbc", None, None, "neither .onnx nor .tflite was written")


KINDS: dict[str, Callable[..., Use]] = {"mcu": _for_mcu, "sbc": _for_sbc}


def _is_operators(network: AnyNetwork) -> bool:
    """Whether each direction is one operator of ONNX Runtime."""
    directions = (part for part in parts(network.layers) if part.kind == "recurrent")
    return all(native(direction, network.precision) for direction in directions)
