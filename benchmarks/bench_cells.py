"""Cells beside the plain LSTM, and files that are loops: `python -m benchmarks.bench_cells`.

First tables: a sequence of each cell, as a multiple of the int8 LSTM of the same sizes; cells that
have a kernel of their own, then some that the program computes. Last: a GRU's .onnx in ONNX
Runtime, one thread, whose hybrid form is a loop over the steps. Each row's calls take turns; each
time is the shortest of many. A first run compiles, which takes minutes.
"""

import pathlib
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

import edgelstm
from benchmarks.bench_calls import shortest_us
from benchmarks.networks import STEPS, random_input, random_network
from edgelstm.formats import AnyNetwork

SIZES = ((12, 48), (40, 64), (64, 128), (128, 256))
FILE_SIZES = ((40, 64), (64, 128), (128, 256), (256, 512))
# Of one phase at int8, so they have a kernel.
KERNELS = (("gru", "int8"), ("lstm_coupled", "int8"), ("rnn", "int8"))
PROGRAMS = (
    *(("gru_reset_before", "int8"), ("mgu", "int8")),
    *(("gru", "int16x8"), ("lstm", "int16x8"), ("lstm_peephole", "int16x8")),
)


def integer_call(cell: str, precision: str, sizes: tuple[int, int]) -> Callable[[], Any]:
    """A sequence of its integers, with the kernels made."""
    network, x = random_network(cell, sizes), random_input(sizes[0])
    form = None if precision == "int8" else "composed"
    return partial(edgelstm.Session(edgelstm.quantize(network, x, precision, form)).run, x)


def file_call(path: pathlib.Path, x: Any) -> Callable[[], Any]:
    """A call of an .onnx file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return partial(session.run, None, {session.get_inputs()[0].name: x[None]})


def report_cells(cells: tuple[tuple[str, str], ...]) -> None:
    """A line per size; the first figure is the int8 LSTM's own time."""
    heads = " ".join(f"{' '.join(cell):>21s}" for cell in cells)
    print(f"{'us a step, times':18s} {'lstm int8':>9s} {heads}")
    for sizes in SIZES:
        calls = [integer_call(*cell, sizes) for cell in (("lstm", "int8"), *cells)]
        lstm, *others = shortest_us(calls)
        ratios = " ".join(f"{us / lstm:21.2f}" for us in others)
        print(f"{sizes[0]:4d} -> {sizes[1]:4d}       {lstm / STEPS:9.2f} {ratios}")


def report_files() -> None:
    """A line per size."""
    heads = ("float32", "hybrid", "float32 B", "hybrid B")
    print(f"{'GRU.onnx, us a step':20s}" + " ".join(f"{head:>10s}" for head in heads))
    with tempfile.TemporaryDirectory() as folder:
        for sizes in FILE_SIZES:
            network, x = random_network("gru", sizes), random_input(sizes[0])
            kinds: list[AnyNetwork] = [network, edgelstm.quantize(network, x, "hybrid")]
            paths = [edgelstm.write(n, f"{folder}/{n.precision}.onnx") for n in kinds]
            times = shortest_us([file_call(path, x) for path in paths])
            told = [f"{us / STEPS:10.1f}" for us in times]
            told += [f"{path.stat().st_size:10,d}" for path in paths]
            print(f"{sizes[0]:4d} -> {sizes[1]:4d}         " + " ".join(told))


def main() -> None:
    """Prints all tables."""
    report_cells(KERNELS)
    report_cells(PROGRAMS)
    report_files()


if __name__ == "__main__":
    main()
