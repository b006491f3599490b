"""What stands around recurrent layers, as .tflite files in LiteRT and TensorFlow Lite Micro."""

import dataclasses
import functools
import json
import pathlib
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.execution.session import run
from edgelstm.formats import encode, facts, has_file, read, write
from edgelstm.formats.tflite.loop import composed_model
from edgelstm.formats.tflite.metadata import KEY
from edgelstm.formats.tflite.pack import pack
from edgelstm.formats.tflite.unpack import unpack
from edgelstm.formats.torch.read import from_torch
from edgelstm.layers.activation import Activation
from edgelstm.layers.directions import parts
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from edgelstm.quantization.reading import integer_mean
from edgelstm.quantization.reference import run_integers
from edgelstm.verification.verifier import verify
from tests.composed_files import dense
from tests.modules import inputs, made
from tests.networks import bidirectional_network, random_input, random_recurrent
from tests.tflite_files import Litert, Tflm

STEPS = 6
PIECES = (
    *("bidirectional h_n", "max", "embedding, GRU", "LayerNorm behind"),
    *("BatchNorm on the input", "(x - mean)/std", "log-softmax head", "relu on the output"),
    *("leaky relu", "relu and L2 norm", "autoencoder with repeat", "cat(last, mean)"),
)
STREAMED = ("embedding, GRU", "LayerNorm behind", "(x - mean)/std", "relu and L2 norm")


@functools.cache
def network_of(name: str) -> Network:
    return from_torch(made(name))


def given(name: str, n: int) -> Any:
    x = inputs(name, n, STEPS)[0].numpy()
    return x.astype(np.int32) if network_of(name).indices else x


def is_fused(path: pathlib.Path) -> bool:
    return KEY not in unpack(path.read_bytes()).metadata


def stored(part: Any, path: pathlib.Path) -> dict[str, Any]:
    """A part's arrays; a fused operator holds the sum of both biases."""
    arrays = dict(part.arrays)
    if "bias_hh" in arrays and is_fused(path):
        arrays["bias_ih"] = arrays["bias_ih"] + arrays.pop("bias_hh")
    return arrays


def read_back(network: Any, path: pathlib.Path) -> Any:
    again = read(path)
    for one, other in zip(parts(again.layers), parts(network.layers), strict=True):
        held, expected = (stored(part, path) for part in (one, other))
        for kind, array in expected.items():
            np.testing.assert_array_equal(held[kind], array)
    for name in ("input_mean", "input_std"):
        expected = getattr(network, name)
        if expected is not None:
            np.testing.assert_array_equal(getattr(again, name), expected)
    kinds = [[(layer.kind, layer.output_size) for layer in n.layers] for n in (again, network)]
    assert kinds[0] == kinds[1]
    return again


def check(network: Network, x: Any, folder: pathlib.Path) -> None:
    """Both runtimes give the equations, and the file reads back as the network."""
    path = write(network, folder / "net.tflite", steps=x.shape[1])
    again = read_back(network, path)
    expected = forward(network, x)
    same = 1e-6 if is_fused(path) else 0
    np.testing.assert_allclose(forward(again, x), expected, rtol=0, atol=same)
    for runtime in (Litert, Tflm):
        got = np.concatenate([runtime(path.read_bytes()).run(row[None]) for row in x])
        # Sums in another order, and another tanh.
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5, err_msg=runtime.__name__)


@pytest.mark.parametrize("name", PIECES)
def test_a_whole_sequence_gives_the_equations_and_reads_back(
    name: str, tmp_path: pathlib.Path
) -> None:
    check(network_of(name), given(name, 3), tmp_path)


@pytest.mark.parametrize("streaming", [True, "io"])
@pytest.mark.parametrize("name", STREAMED)
def test_a_stream_gives_the_equations_step_by_step(
    name: str, streaming: bool | str, tmp_path: pathlib.Path
) -> None:
    from edgelstm.runtimes.litert import open_litert
    from edgelstm.runtimes.tflm import open_tflm

    network, (x,) = network_of(name), given(name, 1)
    path = write(network, tmp_path / "net.tflite", streaming=streaming)
    read_back(network, path)
    starts = facts(path).initial_states
    for opener in (open_litert, open_tflm):
        opened = opener(path, starts)
        opened.reset()
        for t, x_t in enumerate(x):
            got, expected = opened.step(x_t), forward(network, x[None, : t + 1])[0]
            expected = expected if network.last_step else expected[-1]
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)


FUNCTIONS: dict[str, tuple[float, ...]] = {
    "relu": (),
    "sigmoid": (),
    "tanh": (),
    "softmax": (),
    "log_softmax": (),
    "leaky_relu": (1.5,),
    "elu": (0.7,),
    "clamp": (-0.1, float("inf")),
    "hard_sigmoid": (0.2, 0.5),
    "l2_norm": (1e-3,),
}


def test_every_function_stands_in_a_loop_and_behind_it(tmp_path: pathlib.Path) -> None:
    gru = random_recurrent("gru", 3, 5, np.random.default_rng(0), name="gru1")
    rnn = random_recurrent("rnn", 5, 4, np.random.default_rng(1), name="rnn1")
    layers: list[Any] = [gru]
    layers += [Activation(f"inside{k}", 5, f, n) for k, (f, n) in enumerate(FUNCTIONS.items())]
    layers += [rnn]
    layers += [Activation(f"behind{k}", 4, f, n) for k, (f, n) in enumerate(FUNCTIONS.items())]
    layers += [Activation("elu", 4, "elu", (1.0,)), ReadSteps(4)]  # not directly behind the loop
    network = Network(tuple(layers))
    check(network, random_input(network, 2, STEPS), tmp_path)


READS = (("last", "max"), ("finals", "mean"), ("mean",), ("max",), ("finals",), ("flatten",))


@pytest.mark.parametrize("reads", READS)
def test_all_that_is_read_of_both_directions(
    reads: tuple[str, ...], tmp_path: pathlib.Path
) -> None:
    (both,) = bidirectional_network("gru", (3, 5)).layers
    steps = STEPS if "flatten" in reads else None
    network = Network((both, ReadSteps(10, reads, steps)))
    check(network, random_input(network, 2, STEPS), tmp_path)
    if steps:
        with pytest.raises(ModelError, match="takes 6"):
            encode(network, ".tflite", steps=7)


def test_what_is_read_twice_is_read_as_it_stands(tmp_path: pathlib.Path) -> None:
    """Two readings of unlike sizes, and one step."""
    gru = random_recurrent("gru", 3, 5, np.random.default_rng(0), name="gru1")
    other = random_recurrent("lstm", 5, 4, np.random.default_rng(1), name="lstm1")
    network = Network((gru, ReadSteps(5), Repeat(5, 4), other, ReadSteps(4)))
    for steps in (1, STEPS):
        check(network, random_input(network, 2, steps), tmp_path)


@pytest.mark.parametrize("name", ["mean", "embedding, GRU"])
def test_int8_weights_and_real_values_go_through_verification(
    name: str, tmp_path: pathlib.Path
) -> None:
    hybrid = quantize(network_of(name), None, "hybrid")
    path = write(hybrid, tmp_path / "net.tflite", steps=STEPS)
    read_back(hybrid, path)
    assert verify(path, n_sequences=4).passed


def recurrent(cell_name: str, hidden: int) -> Any:
    rng = np.random.default_rng(hidden)
    return random_recurrent(cell_name, 3, hidden, rng, name=f"{cell_name}1")


INTEGER = {
    "both directions": bidirectional_network("gru", (3, 5)).layers[0],
    "one direction": recurrent("gru", 33),
    "a plain LSTM": recurrent("lstm", 16),
    "one unit": recurrent("rnn", 1),
}
INTEGER_READS = (("mean",), ("max",), ("flatten",), ("last", "max"))


@pytest.mark.parametrize("precision", ["int8", "int16x8"])
@pytest.mark.parametrize("name", INTEGER)
def test_integers_that_are_read_are_equal_everywhere(
    name: str, precision: str, tmp_path: pathlib.Path
) -> None:
    layer = INTEGER[name]
    for reads, steps in zip(INTEGER_READS, (29, 7, 5, 1), strict=True):
        read_of = ReadSteps(layer.output_size, reads, steps if "flatten" in reads else None)
        head = dense("dense1", read_of.output_size, 4)
        check_integers(Network((layer, read_of, head)), precision, steps, tmp_path)


def check_integers(network: Network, precision: str, steps: int, folder: pathlib.Path) -> None:
    calibration = random_input(network, 8, steps)
    qnetwork = quantize(network, calibration, precision, form="composed")
    path = write(qnetwork, folder / "net.tflite", steps=steps)
    assert qnetwork.input is not None
    read_back(qnetwork, path)
    limits, kind = qnetwork.input.limits, qnetwork.input.type
    x = np.random.default_rng(1).integers(*limits, (20, steps, network.input_size)).astype(kind)
    expected = run_integers(qnetwork, x)
    np.testing.assert_array_equal(run(qnetwork, x, engine="reference"), expected)
    for runtime in (Litert, Tflm):
        opened = runtime(path.read_bytes())
        got = np.concatenate([opened.run(row[None]) for row in x])
        np.testing.assert_array_equal(got, expected, err_msg=runtime.__name__)


@pytest.mark.parametrize("name", ["embedding, GRU", "autoencoder with repeat", "bidirectional h_n"])
def test_modules_of_integers_are_verified(name: str, tmp_path: pathlib.Path) -> None:
    qnetwork = quantize(network_of(name), given(name, 8), "int8", form="composed")
    path = write(qnetwork, tmp_path / "net.tflite", steps=STEPS)
    read_back(qnetwork, path)
    assert verify(path, n_sequences=16).passed


def test_the_mean_of_integers_is_near_the_mean_and_compiled_alike() -> None:
    rng = np.random.default_rng(0)
    for steps in (1, 2, 3, 29, 1000):
        y = rng.integers(-32768, 32768, (4, steps, 50))
        # The row's scale is rounded up to an odd mantissa of 15 bits: 2**-13 of itself at most.
        assert np.abs(integer_mean(y) - y.mean(1)).max() <= 0.5 + 32768 * 2**-13
        y = rng.integers(-128, 128, (4, steps, 50)).astype(np.int8)
        assert np.abs(integer_mean(y) - y.mean(1)).max() <= 0.51
    network = Network((recurrent("rnn", 5), ReadSteps(5, ("mean",))))
    x = random_input(network, 4, 9)
    rnn = quantize(network, x)
    compiled, expected = (run(rnn, x, engine=engine) for engine in ("numba", "reference"))
    np.testing.assert_array_equal(compiled, expected)
    ends = np.full((1, 9, 2), [-128, 127], np.int8)
    assert integer_mean(ends).tolist() == [[-128, 127]]


def test_what_has_no_form_of_integers_says_which_file_has() -> None:
    gru = random_recurrent("gru", 3, 5, np.random.default_rng(0), name="gru1")
    network = Network((gru, ReadSteps(5, ("mean",))))
    qnetwork = quantize(network, random_input(network, 4, STEPS))
    with pytest.raises(ModelError, match="the mean of integers is rounded by the number of steps"):
        encode(qnetwork, ".onnx")


def test_fused_integers_say_which_form_holds_the_rest(tmp_path: pathlib.Path) -> None:
    network = Network((recurrent("lstm", 5), ReadSteps(5, ("max", "last"))))
    x = random_input(network, 8, STEPS)
    assert not has_file(network, ".tflite", "int8")
    with pytest.raises(ModelError, match="the max and the last of the steps behind fused int8"):
        encode(quantize(network, x), ".tflite")
    assert has_file(network, ".tflite", "float32") and has_file(network, ".tflite", "hybrid")


def test_more_repetitions_than_an_operator_has_inputs_are_refused() -> None:
    gru = random_recurrent("gru", 3, 5, np.random.default_rng(0), name="gru1")
    network = Network((gru, ReadSteps(5), Repeat(5, 1001)))
    with pytest.raises(ModelError, match="repeats 1001 times; an operator of .tflite takes 1000"):
        encode(network, ".tflite", steps=3)


def test_metadata_that_do_not_fit_are_refused(tmp_path: pathlib.Path) -> None:
    gru = recurrent("gru", 5)
    network = Network((gru, ReadSteps(5, ("flatten",), 6), Activation("a", 30, "clamp", (0, 1))))
    model = composed_model(network, 6, streaming=False)
    stated = json.loads(model.metadata[KEY])
    huge = {
        "name": "b",
        "kind": "activation",
        "size": 2**20,
        "function": "clamp",
        "numbers": [0, 1],
    }
    cases: dict[str, dict[str, Any]] = {
        "has 6 steps, but its layers read 7": {"between": [[1, "read", ["flatten"], 7]]},
        "again and again": {"layers": [huge] * 2000},
        "do not describe a network": {"layers": [{"name": "b", "kind": "mirror"}]},
        "is read of the steps; known are": {"between": [[1, "read", ["middle"], None]]},
        "does not fit the arrays": {"between": [[9, "read", ["max"], None]]},
    }
    for told, changes in cases.items():
        if "steps, but" in told:
            changes["layers"] = [stated["layers"][0], stated["layers"][1] | {"size": 35}]
        metadata = {KEY: json.dumps(stated | changes).encode()}
        path = tmp_path / "net.tflite"
        path.write_bytes(pack(dataclasses.replace(model, metadata=metadata)))
        with pytest.raises(ModelError) as caught:
            read(path)
        assert told in str(caught.value)


def test_the_smallest_arena_of_a_file_of_indices_is_found() -> None:
    pytest.importorskip("tflite_micro", reason="pip install tflite-micro")
    from edgelstm.runtimes.tflm import least_arena_bytes

    content = encode(network_of("embedding, GRU"), ".tflite", steps=STEPS)[""]
    assert 0 < least_arena_bytes(content) < 2**15
