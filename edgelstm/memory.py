"""Memory: what a network needs in flash and RAM, and whether a device has it."""

import dataclasses
from typing import Any

from edgelstm.counting import count, planned, stored_bytes
from edgelstm.device import Device, Figure
from edgelstm.directions import parts
from edgelstm.network import Bidirectional, Network, split_point
from edgelstm.plan import DensePlan, RecurrentPlan
from edgelstm.quantized import QuantizedBidirectional, QuantizedNetwork

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


@dataclasses.dataclass(frozen=True)
class Fit:
    """What is needed and what the device has.

    Attributes:
        fits: Whether all that is known fits; None if the device's memory is not known.
        flash_bytes, flash_available_bytes: None on boards that load from a disk, or where the
            device's flash is not known.
        ram_bytes, ram_available_bytes: Likewise.
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


def fit(
    network: Network | QuantizedNetwork,
    device: Device,
    *,
    precision: str | None = None,
    steps: int = 1,
    runtime: str | None = "tflm",
    arena_bytes: int | None = None,
    file_bytes: int | None = None,
) -> Fit:
    """Whether a network fits a device.

    Args:
        network: Shapes are enough: zeros as weights give the same answer.
        device: From `read_device`.
        precision: As in `count`.
        steps: Time steps that the file computes in one call.
        runtime: Key of `RUNTIME_CODE`; None for generated C, whose code is not counted.
        arena_bytes: Memory that TFLM's interpreter asked for, measured; None to compute it.
        file_bytes: Size of the written file, which lies in flash as a whole; None for the bytes of
            weights and biases.

    Raises:
        ModelError: As in `count`.
    """
    weights = count(network, precision=precision).total
    constants = file_bytes or weights.weight_bytes + weights.bias_bytes
    ram = arena_bytes or sum(_working(network, precision, steps))
    stored = "the written file" if file_bytes else "weights and biases"
    working = _working_basis(network, steps, measured=bool(arena_bytes))
    rest = "; stack and application are not counted"
    if device.kind == "sbc":
        basis = f"RAM: {stored}; {working}; the runtime's code is not known{rest}"
        available = _bytes(device, "memory.dram_mib")
        return _compare(None, None, constants + ram, available, basis=basis)
    code = RUNTIME_CODE.get(runtime or "")
    known = f"runtime's core ({code.source})" if code else "code is missing: no sourced figure"
    return _compare(
        constants + (int(code.high) if code else 0),
        _bytes(device, "memory.flash_kib"),
        ram,
        _bytes(device, "memory.sram_kib"),
        basis=f"flash: {stored}; {known}; RAM: {working}{rest}",
    )


def _working_basis(network: Network | QuantizedNetwork, steps: int, *, measured: bool) -> str:
    told = (
        "the arena that TFLM's interpreter needed on x86-64, an upper bound for 32-bit pointers; "
        "it holds states, input and output"
        if measured
        else "derived: states, input and output of the largest layer, a buffer per operation; "
        "a runtime's own bookkeeping is not counted"
    )
    if len(parts(network.layers)) == len(network.layers):
        return told
    return (
        f"{told}; a bidirectional layer keeps whole sequences, here of {steps} "
        f"step{'s' if steps > 1 else ''}: input, reversed input and the outputs of both directions"
    )


@dataclasses.dataclass(frozen=True)
class Part:
    """What lies in `flash` or `ram`; its size is None where no figure is known."""

    memory: str
    name: str
    size_bytes: int | None


def memory_map(
    network: Network | QuantizedNetwork,
    device: Device,
    *,
    precision: str | None = None,
    steps: int = 1,
    runtime: str | None = "tflm",
) -> tuple[Part, ...]:
    """What `fit` adds up without a file and a measured arena; arguments as there."""
    weights = count(network, precision=precision).total
    states, in_out, values = _working(network, precision, steps)
    board = device.kind == "sbc"
    code = RUNTIME_CODE.get(runtime or "")
    constants = "ram" if board else "flash"
    return (
        Part(constants, "weights", weights.weight_bytes),
        Part(constants, "biases", weights.bias_bytes),
        Part("flash", "runtime's core", None if board or not code else int(code.high)),
        Part("ram", "states", states),
        Part("ram", "input and output", in_out),
        Part("ram", "values in between", values),
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
    network: Network | QuantizedNetwork, precision: str | None, steps: int
) -> tuple[int, int, int]:
    """States of all layers; the largest layer's input and output over all steps, and its values."""
    every_step = split_point(network.layers) if network.last_step else len(network.layers)
    plans, states, largest = iter(planned(network, precision).layers), 0, (0, 0)
    for k, layer in enumerate(network.layers):
        directions = [_layer_bytes(next(plans)) for _ in parts([layer])]
        in_out, values, kept = directions[0]
        if isinstance(layer, Bidirectional | QuantizedBidirectional):
            in_out, kept = _both_bytes(layer, in_out), 2 * kept
        largest = max(largest, (in_out * (steps if k < every_step else 1), values), key=sum)
        states += kept
    return states, *largest


def _both_bytes(layer: Bidirectional | QuantizedBidirectional, in_out: int) -> int:
    """Bytes of a step of what lies side by side at most, from one direction's input and output.

    Forward output y, backward output b, results of reversing in turn: x y x'; y x' b; y b b';
    y b' and both together. Outputs have the type of the input.
    """
    outputs = layer.output_size // 2
    x, y = (in_out * size // (layer.input_size + outputs) for size in (layer.input_size, outputs))
    return max(2 * x + y, x + 2 * y, 4 * y)


def _layer_bytes(plan: RecurrentPlan | DensePlan) -> tuple[int, int, int]:
    """Bytes of one step's input and output, of all results of operations, and of the states."""
    if isinstance(plan, DensePlan):
        formats = plan.precision.formats
        read = plan.input_size * stored_bytes(formats["input"].type)
        return read + plan.output_size * stored_bytes(formats["output"].type), 0, 0

    def size(value: str) -> int:
        return plan.sizes[value] * stored_bytes(plan.format(value).type)

    values = sum(size(op.result) for op in plan.ops)
    return size("x") + size(plan.states[0]), values, sum(size(state) for state in plan.states)
