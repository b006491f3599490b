"""`edgelstm bench --core`: what a step of the C folder costs on an emulated core, exactly."""

import difflib
import pathlib
import re
import tempfile
from collections.abc import Iterator
from typing import Any

import edgelstm
from edgelstm.cost.instructions import dsp_network
from edgelstm.devices.cores import CORES
from edgelstm.errors import ModelError
from edgelstm.formats import AnyNetwork, write
from edgelstm.formats.c.read import read_plan
from edgelstm.layers.directions import parts
from edgelstm.quantization.quantizer import quantize
from edgelstm.runtimes import RUNTIMES
from edgelstm.runtimes.emulated.counting import Counted, count
from edgelstm.runtimes.emulated.cycles import BASIS, cycles, no_cycles
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.machine import EmulatedFile, Machine
from edgelstm.runtimes.emulated.toolchain import compiler_version, image_of
from edgelstm.runtimes.folder import Folder, open_folder
from edgelstm.tools import output
from edgelstm.tools.output import Tell
from edgelstm.tools.request import Request, quantizable, read_data, read_network
from edgelstm.verification.sampling import random_sequences
from edgelstm.verification.verifier import compared, expected_outputs

SEQUENCES, STEPS = 2, 20  # that are compared
PRODUCTS = re.compile("products|affine|_lstm_s8$")  # functions that read weights


def main(request: Request, cores: tuple[str, ...], *, as_json: bool, quiet: bool) -> int:
    """Runs the command; returns its exit code."""
    if not cores:
        known = ", ".join(name for name, core in CORES.items() if core.emulator)
        raise ModelError(f"--core is needed: {known}")
    for core in cores:
        check_core(core)
    with output.progress(quiet) as tell:
        tell("reading the model")
        network, name = _network(request, tell)
        rows = [measured(network, name, core, tell) for core in cores]
    if as_json:
        output.print_json(
            {
                "model": name,
                "command": "bench",
                "version": edgelstm.__version__,
                "schema": 1,
                "results": rows,
            }
        )
    elif not quiet:
        _print(name, rows)
    wrong = [f"{row['core']}: {row['mismatches']:,} values differ" for row in rows]
    return output.exit_code([w for row, w in zip(rows, wrong, strict=True) if row["mismatches"]])


def check_core(core: str) -> None:
    """`ModelError` unless it is a core that is emulated here."""
    if core not in CORES:
        near = difflib.get_close_matches(core, CORES, 3, 0.5)
        known = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(CORES)}"
        raise ModelError(f"core '{core}' is unknown; {known}")
    if told := RUNTIMES[core].obstacle:
        raise ModelError(told)
    try:
        compiler_version()
    except ImportError as error:
        raise ModelError(str(error)) from error


def _network(request: Request, tell: Tell) -> tuple[AnyNetwork, str]:
    network, name = read_network(request)
    precision = request.precision or "int8"
    data = read_data(network, request, precision)
    if source := quantizable(network, precision):
        tell(f"quantizing to {precision}")
        network = quantize(source, list(data.calibration) or None, precision)
    return network, name


def measured(network: AnyNetwork, name: str, core: str, tell: Tell) -> dict[str, Any]:
    """A row of `results`: the folder is written, compiled, run, compared and counted."""
    with tempfile.TemporaryDirectory() as place:
        tell(f"compiling for {core}")
        path = write(network, pathlib.Path(place) / f"{name}_c", target=core)
        folder, plan = open_folder(path), read_plan(path)
        image = Image(image_of(folder, core))
        tell(f"counting on {core}")
        x = random_sequences(network, SEQUENCES, STEPS)
        file = EmulatedFile(folder, Machine(core, image))
        expected = expected_outputs(network, x, core, every_step=False)
        found = compared(str(path), core, (expected, file.run(x)), network)
        counted = count(folder, core, image, x[0, :2])
    gates = list(_gates(network, folder, plan, counted))
    held = sum(gate["weight_bytes"] for gate in gates)
    streams = sum(n for array, n in counted.read_by_array.items() if array.endswith("_stream"))
    rest = counted.instructions - sum(gate["instructions"] for gate in gates)
    biases = 32 * sum(_units(layer) for layer in plan["layers"] if layer["why"].startswith("dsp"))
    padding = max(streams - biases - _stream_weights(network, plan), 0)
    known = counted.loads is not None
    return {
        "core": core,
        "instructions_per_step": counted.instructions,
        "predicted_instructions_per_step": predicted(network, plan),
        "gates": [*gates, {"name": "rest", "instructions": rest, "weight_bytes": 0}],
        "weight_bytes": held,
        "padding_bytes": padding if known else None,
        "loads": counted.loads,
        "stores": counted.stores,
        "bytes_read": counted.bytes_read,
        "bytes_written": counted.bytes_written,
        "stack_bytes": max(counted.stack_bytes, file.machine.stack_bytes),
        "flash_bytes": image.flash_bytes,
        "ram_bytes": folder.state_bytes,
        "mismatches": found.mismatches,
        "kernels": {layer["name"]: layer["why"] for layer in plan["layers"]},
        "compiler": compiler_version(),
        **_cycles(counted, image, core),
    }


def predicted(network: AnyNetwork, plan: dict[str, Any]) -> int | None:
    """From sizes, where every layer is an LSTM in the assembly of DSP cores; else None."""
    found = list(parts(network.layers))
    if not all(layer["why"].startswith("dsp") for layer in plan["layers"]):
        return None
    return dsp_network([(part.input_size, part.output_size) for part in found])


def _gates(
    network: AnyNetwork, folder: Folder, plan: dict[str, Any], counted: Counted
) -> Iterator[dict[str, Any]]:
    """Weights of each gate, and of the instructions that read weights the share that is theirs."""
    sizes: dict[str, int] = {}
    for part, layer in zip(parts(network.layers), plan["layers"], strict=True):
        for op in part.sizes.operations.ops:
            if op.side:
                key = f"{layer['name']} {op.gate or op.side}"
                size = part.matrix(op.side, op.gate).stored_bytes
                sizes[key] = sizes.get(key, 0) + size
    of_products = sum(n for f, n in counted.by_function.items() if PRODUCTS.search(f))
    total = sum(sizes.values())
    for key, size in sizes.items():
        share = of_products * size // total
        yield {"name": key, "instructions": share, "weight_bytes": size}


def _stream_weights(network: AnyNetwork, plan: dict[str, Any]) -> int:
    found = zip(parts(network.layers), plan["layers"], strict=True)
    dsp = (part for part, layer in found if layer["why"].startswith("dsp"))
    return sum(4 * p.output_size * (p.input_size + p.output_size) for p in dsp)


def _units(layer: dict[str, Any]) -> int:
    return int(layer["about"][0].rsplit(" ", 1)[1])


def _cycles(counted: Counted, image: Image, core: str) -> dict[str, Any]:
    wait = CORES[core].wait_states
    if told := no_cycles(core):
        return {"cycles_per_step": None, "wait_states": wait, "cycles_basis": told}
    if counted.flash_lines is None:
        told = "the emulator does not tell which flash lines are read"
        return {"cycles_per_step": None, "wait_states": wait, "cycles_basis": told}
    low = cycles(counted, image, core)
    high = low + (wait or 0) * counted.flash_lines
    ends = {"low": low, "typical": (low + high) // 2, "high": high}
    return {"cycles_per_step": ends, "wait_states": wait, "cycles_basis": BASIS}


def _print(name: str, rows: list[dict[str, Any]]) -> None:
    output.print_heading(name, "a step of the C folder, on emulated cores")
    columns = ("core", ">instructions", ">predicted", ">cycles", ">stack B", ">RAM B", ">flash B")
    output.print_table("", (*columns, ">differ"), map(_texts, rows))
    for row in rows:
        output.print_line()
        gates = [
            (g["name"], f"{g['instructions']:,}", f"{g['weight_bytes']:,}") for g in row["gates"]
        ]
        output.print_table(row["core"], ("gate", ">instructions", ">weights B"), gates)
    output.print_line(f"\ncompiled by {rows[0]['compiler']}; {rows[0]['cycles_basis']}")


def _texts(row: dict[str, Any]) -> tuple[str, ...]:
    ends, told = row["cycles_per_step"], row["predicted_instructions_per_step"]
    between = "-" if ends is None else f"{ends['low']:,} to {ends['high']:,}"
    sizes = (f"{row[f'{key}_bytes']:,}" for key in ("stack", "ram", "flash"))
    predicted_text = "-" if told is None else f"{told:,}"
    counted = f"{row['instructions_per_step']:,}"
    return (row["core"], counted, predicted_text, between, *sizes, f"{row['mismatches']:,}")
