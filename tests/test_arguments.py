"""What is handed in where an array, a number or a network is taken: an error or a result."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgelstm
from edgelstm.errors import DeviceError, ModelError
from tests.networks import random_network

NETWORK = random_network("lstm", (5, 8), outputs=3, last_step=True)
INPUT = np.random.default_rng(0).normal(size=(4, 9, 5)).astype(np.float32)
INT8 = edgelstm.quantize(NETWORK, INPUT)
HYBRID = edgelstm.quantize(NETWORK, None, "hybrid")
COUNTS = edgelstm.count(NETWORK)
DEVICE = edgelstm.read_device("stm32u575")


class Tensor:
    """As of a library that does not give its values away."""

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use detach().")


NO_ARRAYS: dict[str, tuple[Any, str]] = {
    "ragged": ([[1.0, 2.0], [3.0]], "is a list, not an array (setting an array element"),
    "ragged arrays": ([INPUT[0], INPUT[0, :3]], "is a list, not an array"),
    "tensor": (Tensor(), "is a Tensor, not an array (Can't call numpy"),
    "objects": (np.full((9, 5), 1.0, object), "is of type object; numbers are needed"),
    "text": ("abc", "is of type <U3; numbers are needed"),
    "texts": (np.full((9, 5), "a"), "is of type <U1; numbers are needed"),
    "none": (None, "is of type object; numbers are needed"),
    "times": (np.zeros((9, 5), "M8[s]"), "is of type datetime64[s]; numbers are needed"),
    "complex": (np.zeros((9, 5), complex), "is of type complex128; numbers are needed"),
    "large integers": ([[10**400] * 5], "is of type object; numbers are needed"),
    "no axis": (np.float32(3), "has shape (); "),
    "empty list": ([], "has shape (0,); "),
    "seven axes": (np.zeros((1,) * 7), "has shape (1, 1, 1, 1, 1, 1, 1); "),
}
TAKERS: dict[str, Callable[[Any], Any]] = {
    "run float32": lambda x: edgelstm.run(NETWORK, x, engine="reference"),
    "run int8": lambda x: edgelstm.run(INT8, x, engine="reference"),
    "run hybrid": lambda x: edgelstm.run(HYBRID, x, engine="reference"),
    "step": lambda x: edgelstm.Session(INT8, engine="reference").step(x),
    "step float32": lambda x: edgelstm.Session(NETWORK, engine="reference").step(x),
    "Session.run": lambda x: edgelstm.Session(INT8, engine="reference").run(x),
    "quantize": lambda x: edgelstm.quantize(NETWORK, [x]),
    "callable": lambda x: edgelstm.quantize(NETWORK, lambda: [[x]]),
}


@pytest.mark.parametrize("take", TAKERS.values(), ids=TAKERS)
@pytest.mark.parametrize("given, expected", NO_ARRAYS.values(), ids=NO_ARRAYS)
def test_what_is_no_array_of_numbers_is_refused(
    take: Callable[[Any], Any], given: Any, expected: str
) -> None:
    with pytest.raises(ModelError) as caught:
        take(given)
    assert expected in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("network, kind", [(NETWORK, "f4"), (INT8, "i1"), (INT8, "f4")])
def test_the_order_of_bytes_does_not_matter(network: Any, kind: str) -> None:
    x = (40 * INPUT).astype(kind)
    expected = edgelstm.run(network, x)
    swapped = np.dtype(kind).newbyteorder("S")
    for odd in (swapped, swapped.newbyteorder("S")):  # the latter equals x.dtype, but is not it
        y = edgelstm.run(network, x.astype(odd))
        assert y.dtype == expected.dtype and np.array_equal(y, expected)
        step = edgelstm.Session(network).step(x[0, 0].astype(odd))
        assert np.array_equal(step, edgelstm.Session(network).step(x[0, 0]))


@pytest.mark.parametrize("given", [None, 3, [], INPUT, {"lstm1": None}, {"lstm1": INPUT}])
def test_a_state_that_is_none_is_refused(given: Any) -> None:
    session = edgelstm.Session(NETWORK, engine="reference")
    with pytest.raises(ModelError, match="{state: array} is needed|{layer: {state"):
        session.state = given


OTHERS: dict[str, tuple[Callable[[], Any], str]] = {
    "quantized twice": (
        lambda: edgelstm.quantize(INT8, INPUT),  # type: ignore[arg-type]
        "network is a QuantizedNetwork; quantize takes a float Network",
    ),
    "a path": (lambda: edgelstm.run("x.npz", INPUT), "network is a str; a Network or"),  # type: ignore[arg-type]
    "a path to write": (lambda: edgelstm.write("x", "x.npz"), "network is a str"),  # type: ignore[arg-type]
    "a path to count": (lambda: edgelstm.count("x.npz"), "network is a str"),  # type: ignore[arg-type]
    "counts of a network": (
        lambda: edgelstm.estimate(NETWORK, DEVICE),  # type: ignore[arg-type]
        "counts is a Network; `count(network)` gives them",
    ),
    "precision": (lambda: edgelstm.quantize(NETWORK, INPUT, []), "precision '[]' is unknown"),  # type: ignore[arg-type]
    "true steps": (lambda: edgelstm.count(NETWORK, steps=True), "steps is True; a whole"),
    "half steps": (lambda: edgelstm.count(NETWORK, steps=1.5), "steps is 1.5"),  # type: ignore[arg-type]
    "half a batch": (lambda: edgelstm.Session(NETWORK, 1.5), "batch is 1.5; a whole number"),  # type: ignore[arg-type]
    "negative batch": (lambda: edgelstm.Session(NETWORK, -1), "batch is -1; a whole number"),
    "larger batch": (lambda: edgelstm.Session(NETWORK, 10**30), "does not fit into memory"),
    "huge batch": (lambda: edgelstm.Session(NETWORK, 10**12), "does not fit into memory"),
    "engine": (lambda: edgelstm.run(NETWORK, INPUT, engine=[]), "engine is a list; one of"),  # type: ignore[arg-type]
    "no file": (lambda: edgelstm.read(None), "the name of a file is a NoneType; text or"),  # type: ignore[arg-type]
    "bytes to write": (lambda: edgelstm.write(NETWORK, b"x.npz"), "the name of a file is a bytes"),  # type: ignore[arg-type]
    "zero byte": (lambda: edgelstm.write(NETWORK, "a\0.npz"), "cannot be written: "),
    "reader": (lambda: edgelstm.quantize(NETWORK, Reader()), "what get_next() gives is a list"),
}


class Reader:
    def get_next(self) -> list[int]:
        return [1]


@pytest.mark.parametrize("call, expected", OTHERS.values(), ids=OTHERS)
def test_what_is_of_another_type_is_refused(call: Callable[[], Any], expected: str) -> None:
    with pytest.raises(ModelError) as caught:
        call()
    assert expected in str(caught.value)


@pytest.mark.parametrize("steps", [0, -1, 1.5, True, 10**30, "a", []])
def test_steps_of_a_file_are_a_whole_number(steps: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="x.tflite: steps is .*it must be from 1 to 100,000"):
        edgelstm.write(INT8, tmp_path / "x.tflite", steps=steps)
    assert not list(tmp_path.iterdir())


def test_steps_of_a_file_may_be_numpy_s(tmp_path: Path) -> None:
    path = edgelstm.write(INT8, tmp_path / "x.tflite", steps=np.int64(7))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="sequences is 1.5; a whole number"):
        edgelstm.verify(path, n_sequences=1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "device, options, expected",
    [
        ("stm32u575", {}, "device is a str; `read_device(name)` gives one"),
        (DEVICE, {"clock_mhz": "fast"}, "not fast MHz"),
        (DEVICE, {"period_ms": "1"}, "period_ms is 1"),
        (DEVICE, {"period_ms": 1, "battery": []}, "battery is"),
        (DEVICE, {"kernels": ""}, "kernels '' is unknown"),
    ],
)
def test_what_an_estimate_cannot_use_is_refused(
    device: Any, options: dict[str, Any], expected: str
) -> None:
    with pytest.raises(DeviceError) as caught:
        edgelstm.estimate(COUNTS, device, **options)
    assert expected in str(caught.value)


@pytest.mark.parametrize("engine", ["numba", "reference"])
@pytest.mark.parametrize("value", [np.inf, np.nan, 1e300])
def test_values_without_end_go_on_in_float_and_are_refused_for_integers(
    value: float, engine: str
) -> None:
    x = np.full((9, 5), value)
    assert edgelstm.run(NETWORK, x, engine=engine).shape == (3,)
    with pytest.raises(ModelError, match="45 values that are not finite"):
        edgelstm.run(INT8, x, engine=engine)
    with pytest.raises(ModelError, match="not finite in float32"):
        edgelstm.quantize(NETWORK, x)


@pytest.mark.parametrize("activation", [None, "sigmoid", "softmax"])
@pytest.mark.parametrize("gain", [1e20, 1e37])
def test_weights_that_overflow_warn_of_nothing(gain: float, activation: str | None) -> None:
    network = random_network(
        "lstm", (5, 8), outputs=3, activation=activation, last_step=True, gain=gain
    )
    for engine in ("numba", "reference"):
        edgelstm.run(network, INPUT, engine=engine)
    with pytest.raises(ModelError, match="sums reach .*, more than int32 holds"):
        edgelstm.quantize(network, INPUT)


def test_nan_that_signals_is_refused_without_a_warning(tmp_path: Path) -> None:
    signals = np.full((4, 5), 0x7FF0_0000_0000_0001, np.uint64).view(np.float64)
    with pytest.raises(ModelError, match="not finite in float32"):
        edgelstm.quantize(NETWORK, signals)
    arrays: dict[str, Any] = {"fc.weight": signals, "fc.bias": np.zeros(4)}
    np.savez(tmp_path / "net.npz", **arrays)
    with pytest.raises(ModelError, match="20 values of 20 that are not finite"):
        edgelstm.read(tmp_path / "net.npz")


def test_networks_are_shown_in_a_line_per_layer() -> None:
    assert (
        repr(INT8)
        == "int8 network, gives the last step\n  lstm1: lstm 5 -> 8\n  dense1: dense 8 -> 3"
    )
    assert repr(NETWORK) == repr(INT8).replace("int8", "float32")
    assert (
        repr(random_network("gru", (5, 8)))
        == "float32 network, gives each step\n  gru1: gru 5 -> 8"
    )
    softmax = random_network("lstm", (5, 8), outputs=3, activation="softmax").layers[1]
    assert repr(softmax) == "dense1: dense 8 -> 3 softmax"
    assert len(repr(edgelstm.demo())) < 200
