"""Cells beside the plain LSTM, and files that are loops: `python -m benchmarks.bench_cells`.

First table: a sequence of each int8 cell, as a multiple of the LSTM of the same sizes. Second: a
GRU's .onnx in ONNX Runtime, one thread, whose hybrid form is a loop over the steps. Each row's
calls take turns; each time is the shortest of many. A first run compiles, which takes minutes.
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
CELLS = ("lstm", "gru", "lstm_coupled", "rnn")  # of one phase, so they have a kernel


def int8_call(cell: str, sizes: tuple[int, int]) -> Callable[[], Any]:
    """A sequence of its integers, with the kernels made."""
    network, x = random_network(cell, sizes), random_input(sizes[0])
    return partial(edgelstm.Session(edgelstm.quantize(network, x)).run, x)


def file_call(path: pathlib.Path, x: Any) -> Callable[[], Any]:
    """A call of an .onnx file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return partial(session.run, None, {session.get_inputs()[0].name: x[None]})


def report_cells() -> None:
    """A line per size."""
    print(f"{'int8, us a step':18s} {'lstm':>8s} " + " ".join(f"{c:>14s}" for c in CELLS[1:]))
    for sizes in SIZES:
        lstm, *others = shortest_us([int8_call(cell, sizes) for cell in CELLS])
        ratios = " ".join(f"{us / lstm:14.2f}" for us in others)
        print(f"{sizes[0]:4d} -> {sizes[1]:4d}       {lstm / STEPS:8.2f} {ratios}")


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
    """Prints both tables."""
    report_cells()
    report_files()


if __name__ == "__main__":
    main()
