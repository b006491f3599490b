"""`edgelstm bench --core`: what a step of the C folder costs on an emulated core, exactly."""

import difflib
import pathlib
import re
import tempfile
from collections.abc import Iterator
from typing import Any

import edgelstm
from edgelstm.cost.instructions import closed_form
from edgelstm.devices.cores import CORES
from edgelstm.errors import ModelError
from edgelstm.formats import AnyNetwork, write
from edgelstm.formats.c.read import kernels_of
from edgelstm.layers.directions import check_whole_sequence, parts
from edgelstm.quantization.quantizer import quantize
from edgelstm.runtimes import RUNTIMES
from edgelstm.runtimes.emulated.counting import Counted, count
from edgelstm.runtimes.emulated.cycles import BASIS, cycles, no_cycles
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.opened import loaded
from edgelstm.runtimes.emulated.qemu import counting_obstacle
from edgelstm.runtimes.emulated.toolchain import compiler_version, image_of
from edgelstm.runtimes.folder import open_folder
from edgelstm.tools import output
from edgelstm.tools.bench_report import CoreRow, Cycles, Gate
from edgelstm.tools.output import Tell
from edgelstm.tools.request import Request, quantizable, read_data, read_network
from edgelstm.verification.sampling import random_sequences
from edgelstm.verification.verifier import compared, expected_outputs

SEQUENCES, STEPS = 2, 20  # that are compared
BIAS_BYTES = 32  # of a unit of an LSTM in assembly: four gates, both sides
STREAMS = ("dsp:", "a64:", "helium:")
ARRAYS = ("stream", "weight", "bias")  # that they read
PRODUCTS = re.compile("products|affine|_lstm_s8$|helium_s")  # functions that read weights


def main(
    request: Request,
    cores: tuple[str, ...],
    given: tuple[AnyNetwork, str] | None = None,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Counts, and prints; returns the exit code. `given`: a network in place of the model's."""
    for core in cores:
        check_core(core)
    with output.progress(quiet) as tell:
        tell("reading the model")
        network, name = _network(request, given, tell)
        rows = [measured(network, name, core, tell) for core in cores]
    if as_json:
        output.print_json(
            {
                "model": name,
                "command": "bench",
                "version": edgelstm.__version__,
                "schema": 1,
                "results": [row.to_dict() for row in rows],
            }
        )
    elif not quiet:
        _print(name, rows)
    wrong = [f"{row.core}: {row.mismatches:,} values differ" for row in rows if row.mismatches]
    return output.exit_code(wrong)


def check_core(core: str) -> None:
    """`ModelError` unless it is a core that is emulated here."""
    if core not in CORES:
        near = difflib.get_close_matches(core, CORES, 3, 0.5)
        known = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(CORES)}"
        raise ModelError(f"core '{core}' is unknown; {known}")
    if told := RUNTIMES[core].obstacle or counting_obstacle(core):
        raise ModelError(told)
    try:
        compiler_version()
    except ImportError as error:
        raise ModelError(str(error)) from error


def _network(
    request: Request, given: tuple[AnyNetwork, str] | None, tell: Tell
) -> tuple[AnyNetwork, str]:
    network, name = given or read_network(request)
    precision = request.precision or "int8"
    calibration: Any = random_sequences(network, SEQUENCES, STEPS)
    if given is None or request.calibration is not None:
        calibration = list(read_data(network, request, precision).calibration) or None
    if source := quantizable(network, precision):
        tell(f"quantizing to {precision}")
        network = quantize(source, calibration, precision)
    return network, name


def measured(network: AnyNetwork, name: str, core: str, tell: Tell) -> CoreRow:
    """A row of `results`: the folder is written, compiled, run, compared and counted."""
    check_whole_sequence(network.layers)
    with tempfile.TemporaryDirectory() as place:
        tell(f"compiling for {core}")
        path = write(network, pathlib.Path(place) / f"{name}_c", target=core)
        folder, kernels = open_folder(path), kernels_of(path)
        image = Image(image_of(folder, core))
        tell(f"counting on {core}")
        x = random_sequences(network, SEQUENCES, STEPS)
        file = loaded(folder, core, image)
        expected = expected_outputs(network, x, core, every_step=False)
        found = compared(str(path), core, (expected, file.run(x)), network)
        counted = count(folder, core, image, x[0, :2])
    gates = tuple(_gates(network, kernels, counted))
    rest = counted.instructions - sum(gate.instructions for gate in gates)
    ends, basis = _cycles(counted, image, core)
    return CoreRow(
        core,
        counted.instructions,
        predicted(network, kernels, core),
        (*gates, Gate("rest", rest, 0)),
        _padding(network, kernels, counted),
        counted.loads,
        counted.stores,
        counted.bytes_read,
        counted.bytes_written,
        max(counted.stack_bytes, file.machine.stack_bytes),
        image.flash_bytes,
        folder.state_bytes,
        found.mismatches,
        kernels,
        compiler_version(),
        ends,
        CORES[core].wait_states,
        basis,
    )


def predicted(network: AnyNetwork, kernels: dict[str, str], core: str) -> int | None:
    """From sizes, where every layer is an LSTM in assembly; else None."""
    known = CORES[core]
    form = closed_form(known.layout, dot_product=known.dot_product)
    found = _in_streams(network, kernels)
    if form is None or len(found) < len(kernels):
        return None
    return form([(part.input_size, part.output_size) for _, part in found])


def _in_streams(network: AnyNetwork, kernels: dict[str, str]) -> list[tuple[str, Any]]:
    """Names and layers that are LSTMs in assembly."""
    found = zip(kernels.items(), parts(network.layers), strict=True)
    return [(name, part) for (name, why), part in found if why.startswith(STREAMS)]


def _gates(network: AnyNetwork, kernels: dict[str, str], counted: Counted) -> Iterator[Gate]:
    sizes: dict[str, int] = {}
    for part, name in zip(parts(network.layers), kernels, strict=True):
        for op in part.sizes.operations.ops:
            if op.side:
                key = f"{name} {op.gate or op.side}"
                size = part.matrix(op.side, op.gate).stored_bytes
                sizes[key] = sizes.get(key, 0) + size
    of_products = sum(n for f, n in counted.by_function.items() if PRODUCTS.search(f))
    total = sum(sizes.values())
    for key, size in sizes.items():
        yield Gate(key, of_products * size // total, size)


def _padding(network: AnyNetwork, kernels: dict[str, str], counted: Counted) -> int | None:
    """Bytes of what fused LSTMs in assembly read that are neither weights nor biases."""
    if counted.loads is None:
        return None
    found = _in_streams(network, kernels)
    ends = tuple(f"_{name}_{array}" for name, _ in found for array in ARRAYS)
    read = sum(n for array, n in counted.read_by_array.items() if array.endswith(ends))
    weights: int = sum(4 * p.output_size * (p.input_size + p.output_size) for _, p in found)
    biases: int = sum(BIAS_BYTES * p.output_size for _, p in found)
    return read - weights - biases


def _cycles(counted: Counted, image: Image, core: str) -> tuple[Cycles | None, str]:
    if told := no_cycles(core):
        return None, told
    if counted.flash_lines is None:
        return None, "the emulator does not tell which flash lines are read"
    low = cycles(counted, image, core)
    high = low + (CORES[core].wait_states or 0) * counted.flash_lines
    return Cycles(low, (low + high) // 2, high), BASIS


def _print(name: str, rows: list[CoreRow]) -> None:
    output.print_heading(name, "a step of the C folder, on emulated cores")
    columns = ("core", ">instructions", ">predicted", ">cycles", ">stack B", ">RAM B", ">flash B")
    output.print_table("", (*columns, ">differ"), map(_texts, rows))
    for row in rows:
        output.print_line()
        gates = [(g.name, f"{g.instructions:,}", f"{g.weight_bytes:,}") for g in row.gates]
        output.print_table(row.core, ("gate", ">instructions", ">weights B"), gates)
    output.print_line(f"\ncompiled by {rows[0].compiler}; {rows[0].cycles_basis}")


def _texts(row: CoreRow) -> tuple[str, ...]:
    ends, told = row.cycles_per_step, row.predicted_instructions_per_step
    numbers = (row.stack_bytes, row.ram_bytes, row.flash_bytes, row.mismatches)
    return (
        row.core,
        f"{row.instructions_per_step:,}",
        "-" if told is None else f"{told:,}",
        "-" if ends is None else f"{ends.low:,} to {ends.high:,}",
        *(f"{n:,}" for n in numbers),
    )
