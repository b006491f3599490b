"""Memory: what a network needs in flash and RAM, and whether a device has it."""

import dataclasses
from typing import Any

from edgelstm.cost.arena import arena
from edgelstm.cost.counts import Counts
from edgelstm.cost.folder_code import code_of
from edgelstm.cost.traffic import constant_bytes
from edgelstm.devices.device import Device, Figure
from edgelstm.text import counted

_TFLM = Figure(
    9732,
    16384,
    16384,
    "datasheet",
    "16 KB on a Cortex-M3: tensorflow.org/lite/microcontrollers; 9,732 B there by TFLM's method: "
    "tflite-micro, examples/memory_footprint/README.md; kernels come on top",
)
# Code of a runtime's core in bytes. No source was found that gives it with the LSTM's kernel.
RUNTIME_CODE: dict[str, Figure] = {"tflm": _TFLM, "cmsis-nn": _TFLM}
NOT_COUNTED = "; stack and application are not counted"
FOLDER = "c"  # the folder of C in the place of a runtime


@dataclasses.dataclass(frozen=True)
class Fit:
    """What is needed and what the device has.

    Attributes:
        fits: Whether all that is known fits; None if the device's memory is not known.
        flash_bytes, flash_available_bytes: None on boards that load from a disk, or where the
            device's flash is not known.
        ram_bytes: With weights and biases on boards that load from a disk.
        ram_available_bytes: None where the device's RAM is not known.
        basis: What the figures hold and how they were obtained.
    """

    fits: bool | None
    flash_bytes: int | None
    flash_available_bytes: int | None
    ram_bytes: int
    ram_available_bytes: int | None
    basis: str

    def to_dict(self) -> dict[str, Any]:
        """The object `fit` of reports."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Need:
    """What a folder of C takes: flash, the state in RAM, the stack; and how that is known."""

    flash_bytes: int
    state_bytes: int
    stack_bytes: int
    basis: str


def fit_need(need: Need, device: Device) -> Fit:
    """Whether a microcontroller has what a folder of C needs."""
    flash, ram = (_bytes(device, f"memory.{key}_kib") for key in ("flash", "sram"))
    needed = need.state_bytes + need.stack_bytes
    return _compare(need.flash_bytes, flash, needed, ram, basis=need.basis)


def folder_need(counts: Counts, core: str) -> Need:
    """From sizes alone, at most: of a folder that is not written yet."""
    code, found = code_of(counts, core), arena(counts.buffers, 1)
    return Need(
        constant_bytes(counts) + code.flash_bytes(counts),
        found.states_bytes + found.values_bytes,
        code.stack,
        "an upper bound for the folder of C: weights and biases, code and tables as zig 0.17 "
        "compiles them; states and values of a step, stack; the application is not counted",
    )


def fit(
    counts: Counts,
    device: Device,
    *,
    steps: int = 1,
    runtime: str | None = "tflm",
    measured_bytes: int | None = None,
    file_bytes: int | None = None,
) -> Fit:
    """Whether a network fits a device.

    Args:
        counts: From `count`.
        device: From `read_device`.
        steps: Time steps that the file computes in one call.
        runtime: Key of `RUNTIME_CODE`; `FOLDER` for a folder of C, on a microcontroller; None for
            code of unknown size, which is not counted.
        measured_bytes: Memory that TFLM's interpreter needed here, to be told; the answer is the
            computed bound, the same on every machine.
        file_bytes: Size of the written file, which lies in flash as a whole; None for the bytes of
            weights and biases.
    """
    if runtime == FOLDER and device.kind != "sbc":
        return fit_need(folder_need(counts, device.core), device)
    constants = file_bytes or constant_bytes(counts)
    stored = "the written file" if file_bytes else "weights and biases"
    ram = sum(_working(counts, device, steps, runtime))
    working = _working_basis(counts, steps, measured_bytes)
    if device.kind == "sbc":
        basis = f"RAM: {stored}; {working}; the runtime's code is not known{NOT_COUNTED}"
        available = _bytes(device, "memory.dram_mib")
        return _compare(None, None, constants + ram, available, basis=basis)
    code = RUNTIME_CODE.get(runtime or "")
    known = f"runtime's core ({code.source})" if code else "code is missing: no sourced figure"
    return _compare(
        constants + (int(code.high) if code else 0),
        _bytes(device, "memory.flash_kib"),
        ram,
        _bytes(device, "memory.sram_kib"),
        basis=f"flash: {stored}; {known}; RAM: {working}{NOT_COUNTED}",
    )


def _working_basis(counts: Counts, steps: int, measured_bytes: int | None) -> str:
    told = (
        f"an upper bound for {counted(steps, 'step')} a call: states, input, output and values as "
        "TFLM's planner places them, and what it notes of each operator"
    )
    if measured_bytes:
        told += f"; its interpreter needed {measured_bytes:,} B on this machine"
    if any(layer.n_directions > 1 for layer in counts.buffers):
        told += (
            "; a bidirectional layer keeps whole sequences: input, reversed input and the outputs "
            "of both directions"
        )
    return told


@dataclasses.dataclass(frozen=True)
class Part:
    """What lies in `flash` or `ram`; its size is None where no figure is known."""

    memory: str
    name: str
    size_bytes: int | None


def memory_map(
    counts: Counts, device: Device, *, steps: int = 1, runtime: str | None = "tflm"
) -> tuple[Part, ...]:
    """What `fit` adds up without a file: weights, biases, a runtime's core, states, values, notes.

    Args:
        counts: From `count`.
        device: From `read_device`.
        steps: Time steps that the file computes in one call.
        runtime: As `fit` takes it.
    """
    weights, board = counts.total, device.kind == "sbc"
    states, values, notes = _working(counts, device, steps, runtime)
    code = RUNTIME_CODE.get(runtime or "")
    constants = "ram" if board else "flash"
    beside = (
        Part("flash", "runtime's core", None if board or not code else int(code.high)),
        Part("ram", "interpreter", notes),
    )
    if runtime == FOLDER and not board:
        compiled = code_of(counts, device.core)
        beside = (
            Part("flash", "code and tables", compiled.flash_bytes(counts)),
            Part("ram", "stack", compiled.stack),
        )
    return (
        Part(constants, "weights", weights.weight_bytes),
        Part(constants, "biases", weights.bias_bytes),
        beside[0],
        Part("ram", "states", states),
        Part("ram", "input, output, values", values),
        beside[1],
    )


def _compare(
    flash: int | None,
    flash_available: int | None,
    ram: int,
    ram_available: int | None,
    *,
    basis: str,
) -> Fit:
    answers = [
        need <= available
        for need, available in ((flash, flash_available), (ram, ram_available))
        if need is not None and available is not None
    ]
    return Fit(all(answers) if answers else None, flash, flash_available, ram, ram_available, basis)


def _bytes(device: Device, key: str) -> int | None:
    """What the smallest version of the device has, in bytes."""
    figure = device.figure(key)
    if figure is None:
        return None
    return int(figure.low * (2**20 if key.endswith("_mib") else 2**10))


def _working(
    counts: Counts, device: Device, steps: int, runtime: str | None
) -> tuple[int, int, int]:
    """Bytes of states, of values, and of what an interpreter notes."""
    board = device.kind == "sbc"
    found = arena(counts.buffers, 1 if runtime == FOLDER and not board else steps)
    interpreted = board or runtime not in (None, FOLDER)
    return found.states_bytes, found.values_bytes, found.notes_bytes if interpreted else 0
