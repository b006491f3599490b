"""SHA-256 of everything that edgelstm writes for known networks: `python -m tests.hashes > FILE`.

A line each: hash, precision, format, how it is called, network. Two trees on one machine that write
the same files print the same lines; `diff` names what differs. Networks come from integers and
seeds alone. A file that is refused has `refused` in place of its hash.
"""

import hashlib
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import edgelstm
from edgelstm.cells import CELLS
from edgelstm.quantization.quantized import QuantizedNetwork
from tests.networks import bidirectional_network, random_input, random_network
from tests.runtimes.test_exactness import CASES, FOREIGN, integers

PRECISIONS = ("float32", "hybrid", "int8")
CALLS: dict[str, dict[str, Any]] = {"whole": {"steps": 30}, "streaming": {"streaming": True}}
SUFFIXES = (".npz", ".onnx", ".tflite")
HEADS: dict[str, dict[str, Any]] = {
    f"head {activation or 'linear'} of {'the last' if last_step else 'each'} step": {
        "outputs": 4,
        "activation": activation,
        "last_step": last_step,
    }
    for activation in (None, "relu", "sigmoid", "softmax")
    for last_step in (False, True)
}


def networks() -> Iterator[tuple[str, Any]]:
    """Float networks by name: every case of exactness, every cell, every head."""
    for name, case in CASES.items():
        options = {key: value for key, value in case.items() if key != "both"}
        make = bidirectional_network if "both" in case else random_network
        yield name, make("lstm", **options)
    for name in CELLS:
        yield f"cell {name}", random_network(name, (5, 16))
        yield f"cell {name}, two layers", random_network(name, (7, 12, 16), outputs=3)
    yield "both directions of a gru", bidirectional_network("gru", (5, 16), outputs=3)
    for name, options in HEADS.items():
        yield name, random_network("lstm", (6, 20), **options)
    yield "bundled", edgelstm.demo()


def written() -> Iterator[tuple[str, Any]]:
    """Each network in each precision that it has, as `precision, name`."""
    for name, network in networks():
        for precision in PRECISIONS:
            try:
                yield f"{precision:8} {name}", _in(network, precision)
            except edgelstm.ModelError:
                yield f"{precision:8} {name}", None
    for name, make in FOREIGN.items():
        yield f"{'int8':8} free scales, {name}", make()


def _in(network: Any, precision: str) -> Any:
    if precision == "float32":
        return network
    return edgelstm.quantize(network, random_input(network, 20, 30), precision)


def file_hash(network: Any, suffix: str, options: dict[str, Any]) -> str:
    """Of the file that `write` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / f"net{suffix}"
        try:
            edgelstm.write(network, path, **options)
        except edgelstm.ModelError:
            return f"{'refused':64}"
        return hashlib.sha256(path.read_bytes()).hexdigest()


def output_hash(network: QuantizedNetwork, engine: str) -> str:
    """Of the integers that an engine computes."""
    y = edgelstm.run(network, integers(network, n=20), engine=engine)
    return hashlib.sha256(y.tobytes()).hexdigest()


def lines() -> Iterator[str]:
    """What the command prints."""
    for name, network in written():
        if network is None:
            yield f"{'refused':64}  {'-':7}  {'-':9}  {name}"
            continue
        for suffix in SUFFIXES:
            for call, options in CALLS.items():
                made = file_hash(network, suffix, options)
                yield f"{made}  {suffix:7}  {call:9}  {name}"
        if name.startswith("int8"):
            for engine in ("numba", "reference"):
                yield f"{output_hash(network, engine)}  {'outputs':7}  {engine:9}  {name}"


def main() -> None:
    """Prints every line."""
    for line in lines():
        print(line, flush=True)


if __name__ == "__main__":
    main()
