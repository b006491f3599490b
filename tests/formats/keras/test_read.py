"""Keras's layers and options, from both kinds of files: what Keras itself computes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.formats import read, write
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.model.forward import forward
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.verifier import verify
from tests.keras_files import (
    INPUTS,
    STEPS,
    check,
    functional,
    keras,
    layers,
    outputs,
    random_x,
    saved,
    sequential,
)
from tests.test_installed import without

L = layers
FIXED = (STEPS, INPUTS)
SEQUENCES: dict[str, Any] = {
    "lstm": lambda: [L.LSTM(5)],
    "lstm without bias": lambda: [L.LSTM(5, use_bias=False)],
    "lstm, forget bias": lambda: [L.LSTM(5, unit_forget_bias=True)],
    "gru": lambda: [L.GRU(5)],
    "gru without bias": lambda: [L.GRU(5, use_bias=False)],
    "gru, reset before": lambda: [L.GRU(5, reset_after=False)],
    "gru, reset before, without bias": lambda: [L.GRU(5, reset_after=False, use_bias=False)],
    "rnn": lambda: [L.SimpleRNN(5)],
    "rnn, relu, without bias": lambda: [L.SimpleRNN(5, activation="relu", use_bias=False)],
    "each step": lambda: [L.LSTM(5, return_sequences=True)],
    "concatenated directions": lambda: [
        L.Bidirectional(L.LSTM(5, return_sequences=True)),
        L.Dense(3),
    ],
    "final states": lambda: [L.Bidirectional(L.GRU(5)), L.Dense(3)],
    "summed directions": lambda: [
        L.Bidirectional(L.LSTM(5, return_sequences=True), merge_mode="sum"),
        L.Dropout(0.5),
        L.Bidirectional(L.GRU(3), merge_mode="sum"),
        L.Dense(3, "relu"),
    ],
    "two layers of one class": lambda: [L.GRU(5, return_sequences=True), L.GRU(4), L.Dense(3)],
    "time distributed": lambda: [
        L.TimeDistributed(L.Dense(6, "relu")),
        L.LSTM(5, return_sequences=True),
        L.TimeDistributed(L.LayerNormalization()),
        L.TimeDistributed(L.Dense(2, use_bias=False)),
    ],
    "dense without bias": lambda: [L.LSTM(5), L.Dense(3, use_bias=False)],
    "batch norms": lambda: [
        L.BatchNormalization(),
        L.LSTM(5, return_sequences=True),
        L.BatchNormalization(scale=False),
        L.GRU(5),
        L.BatchNormalization(center=False, epsilon=0.01),
        L.Dense(3),
        L.BatchNormalization(),
    ],
    "layer norms": lambda: [
        L.LSTM(5, return_sequences=True),
        L.LayerNormalization(center=False),
        L.GRU(5),
        L.LayerNormalization(scale=False, epsilon=0.1),
        L.Dense(2),
    ],
    "stated normalisation": lambda: [
        L.Normalization(mean=[1.0, 2.0, 3.0, 4.0], variance=[4.0, 1.0, 9.0, 0.0]),
        L.LSTM(5),
    ],
    "one normalisation for all": lambda: [
        L.Normalization(axis=None, mean=0.5, variance=2.0),
        L.LSTM(5),
    ],
    "dropouts": lambda: [
        L.GaussianNoise(0.1),
        L.SpatialDropout1D(0.1),
        L.LSTM(5, dropout=0.1, recurrent_dropout=0.1, return_sequences=True),
        L.GaussianDropout(0.1),
        L.GRU(4, dropout=0.2),
        L.AlphaDropout(0.1),
        L.ActivityRegularization(0.1),
        L.Identity(),
        L.Dense(3),
    ],
    "mean": lambda: [L.LSTM(5, return_sequences=True), L.GlobalAveragePooling1D(), L.Dense(3)],
    "max": lambda: [L.GRU(5, return_sequences=True), L.GlobalMaxPooling1D(), L.Dense(3)],
    "stateful and unrolled": lambda: [L.LSTM(5, unroll=False), L.Dense(3)],
    "one unit": lambda: [L.LSTM(1, return_sequences=True), L.GRU(1), L.Dense(1)],
    "flatten of a vector": lambda: [L.LSTM(5), L.Flatten(), L.Reshape((5,)), L.Dense(2)],
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_model_is_read_as_keras_computes_it(name: str, tmp_path: Path) -> None:
    check(sequential(*SEQUENCES[name]()), tmp_path)


ACTIVATIONS: dict[str, Any] = {
    **{
        name: lambda name=name: [L.Dense(4, activation=name)]
        for name in (
            *("relu", "sigmoid", "tanh", "softmax", "log_softmax", "elu", "relu6", "leaky_relu"),
            *("hard_sigmoid", "hard_tanh", "linear"),
        )
    },
    "a layer as an option": lambda: [L.Dense(4, activation=L.LeakyReLU(0.1))],
    "Activation": lambda: [L.Activation("tanh")],
    "LeakyReLU": lambda: [L.Dense(4), L.LeakyReLU(0.2)],
    "ReLU": lambda: [L.Dense(4), L.ReLU()],
    "ReLU with an end": lambda: [L.Dense(4), L.ReLU(max_value=0.5)],
    "ReLU with a slope": lambda: [L.Dense(4), L.ReLU(negative_slope=0.3)],
    "Softmax": lambda: [L.Softmax()],
    "ELU": lambda: [L.ELU(0.7)],
    "UnitNormalization": lambda: [L.UnitNormalization()],
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_keras_own(name: str, tmp_path: Path) -> None:
    check(sequential(L.LSTM(4), *ACTIVATIONS[name](), L.Dense(3)), tmp_path)


def test_indices_go_through_the_table(tmp_path: Path) -> None:
    indices = np.random.default_rng(0).integers(10, size=(3, 7))
    for dtype in ("float32", "int32", "int64"):
        model = functional(
            lambda x: L.Dense(3)(L.GRU(5)(L.Embedding(10, 4)(x))), (None,), dtype=dtype
        )
        network = check(model, tmp_path, indices)
        assert network.indices


def test_all_steps_side_by_side_bind_their_number(tmp_path: Path) -> None:
    model = sequential(L.LSTM(5, return_sequences=True), L.Flatten(), L.Dense(3), shape=FIXED)
    network = check(model, tmp_path, random_x(2, steps=STEPS))
    assert network.steps == STEPS
    model = sequential(L.LSTM(5, return_sequences=True), L.Reshape((-1,)), L.Dense(3), shape=FIXED)
    assert check(model, tmp_path, random_x(2, steps=STEPS)).steps == STEPS


def test_an_autoencoder_repeats_what_was_read(tmp_path: Path) -> None:
    model = sequential(
        L.LSTM(16),
        L.RepeatVector(20),
        L.LSTM(16, return_sequences=True),
        L.TimeDistributed(L.Dense(6)),
        shape=(20, 6),
    )
    check(model, tmp_path, random_x(3, steps=20, size=6))


def test_an_autoencoder_has_the_same_integers_in_every_runtime(tmp_path: Path) -> None:
    model = sequential(
        L.LSTM(6), L.RepeatVector(5), L.LSTM(6, return_sequences=True), L.Dense(3), shape=(5, 3)
    )
    network = read(saved(model, tmp_path / "net.keras"))
    x = random_x(3, batch=20, steps=5, size=3)
    quantized = quantize(network, x, "int8", form="composed")  # type: ignore[arg-type]
    path = write(quantized, tmp_path / "net.tflite", steps=5)
    for found in verify(path, quantized, n_sequences=8).verified:
        assert found.status in ("ok", "skipped") and not found.mismatches, found


def test_export_takes_a_model_and_repeats_what_it_assumed(tmp_path: Path) -> None:
    model = sequential(L.Masking(), L.LSTM(5), L.Dense(3))
    path = saved(model, tmp_path / "net.keras")
    words = ["export", path, "--precision", "float32", "--formats", "npz", "-o", tmp_path / "out"]
    done = without(("torch", "keras"), *words, "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert "masks steps in which every value is 0" in report["assumed"][0]
    assert read(tmp_path / "out" / "net_float32.npz").mask_value == 0
    x = random_x(1)
    x[1, 2] = 0
    np.save(tmp_path / "x.npy", x)
    words[3] = "int8"
    done = without(("torch", "keras"), *words, "--calibration", tmp_path / "x.npy", "--quiet")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "masked step, step 2 of sequence 1" in done.stderr


def test_one_value_per_step_may_be_a_vector_first(tmp_path: Path) -> None:
    model = sequential(L.Reshape((STEPS, 1)), L.LSTM(5), L.Dense(2), shape=(STEPS,))
    network = read(saved(model, tmp_path / "net.keras"))
    x = random_x(4, steps=STEPS, size=1)
    np.testing.assert_allclose(forward(network, x), outputs(model, x[..., 0]), atol=1e-5)  # type: ignore[arg-type]
    assert any("here x is that sequence, (steps, 1)" in said for said in network.assumed)


def test_a_model_of_one_step_has_any_number_here(tmp_path: Path) -> None:
    model = sequential(L.LSTM(5, return_sequences=True), L.Flatten(), L.Dense(2), shape=(1, INPUTS))
    network = check(model, tmp_path, random_x(5, steps=1))
    assert network.last_step and network.steps is None


def test_an_adapted_normalisation_stays_in_front(tmp_path: Path) -> None:
    normal = L.Normalization()
    data = random_x(6) * 3 + 1
    normal.adapt(data)
    model = keras.Sequential([keras.Input((None, INPUTS)), normal, L.LSTM(5)])
    network = check(model, tmp_path, data)
    assert network.input_mean is not None and network.input_std is not None
    np.testing.assert_allclose(network.input_mean, data.mean((0, 1)), atol=1e-6)
    np.testing.assert_allclose(network.input_std, data.std((0, 1)), rtol=1e-5)


def test_readings_lie_side_by_side_and_heads_too(tmp_path: Path) -> None:
    def call(x: Any) -> Any:
        y = L.Bidirectional(L.LSTM(5, return_sequences=True))(x)
        both = L.Concatenate()([L.GlobalAveragePooling1D()(y), L.GlobalMaxPooling1D()(y)])
        return [L.Dense(3)(both), L.Dense(2)(both)]

    network = check(functional(call), tmp_path)
    assert any("2 outputs lie side by side" in said for said in network.assumed)
    both = functional(lambda x: [(y := L.LSTM(5)(x)), L.Dense(2)(y)])
    network = read(saved(both, tmp_path / "net.keras"))  # type: ignore[assignment]
    assert any("of its 2 outputs the first is read" in said for said in network.assumed)


def test_models_may_stand_in_a_model(tmp_path: Path) -> None:
    inner = keras.Sequential([keras.Input((None, 3)), L.GRU(5, return_sequences=True), L.GRU(4)])
    within = functional(lambda x: L.GRU(3, return_sequences=True)(x))
    model = functional(lambda x: L.Dense(2)(inner(within(x))))
    check(model, tmp_path)
    head = keras.Sequential([keras.Input((2,)), L.Dense(3, name="dense"), L.Dense(2)])
    outer = keras.Sequential([keras.Input((None, INPUTS)), model, head], name="outer")
    check(outer, tmp_path)
    normed = [L.LSTM(5, return_sequences=True), L.BatchNormalization(), L.GRU(4), L.Dense(2)]
    inner = keras.Sequential([keras.Input((None, INPUTS)), *normed], name="inner")
    check(functional(lambda x: L.Dense(2, name="dense")(inner(x))), tmp_path)


def test_names_that_do_not_keep_layers_apart_are_refused_in_h5(tmp_path: Path) -> None:
    deep = keras.Sequential([keras.Input((3,)), L.Dense(3, name="same")], name="deep")
    middle = keras.Sequential([keras.Input((3,)), L.Dense(3, name="same"), deep], name="middle")
    model = functional(lambda x: middle(L.GRU(3)(x)))
    check(model, tmp_path, suffixes=[".keras"])
    with pytest.raises(ModelError, match="'same' .*is called like another layer.* as .keras"):
        read(saved(model, tmp_path / "net.h5"))


def test_final_states_are_not_the_last_step(tmp_path: Path) -> None:
    network = check(sequential(L.Bidirectional(L.LSTM(5)), L.Dense(3)), tmp_path)
    assert [la.reads for la in network.layers if isinstance(la, ReadSteps)] == [("finals",)]
    model = functional(lambda x: L.Bidirectional(L.LSTM(5, return_sequences=True))(x)[:, -1])
    network = check(model, tmp_path)
    assert [la.reads for la in network.layers if isinstance(la, ReadSteps)] == [("last",)]


def test_what_means_nothing_here_is_said(tmp_path: Path) -> None:
    model = sequential(L.LSTM(3, unroll=True, return_sequences=True), L.GRU(3), shape=FIXED)
    network = check(model, tmp_path, random_x(7, steps=STEPS))
    assert network.assumed == ("layer 'lstm' (LSTM): unroll has no meaning here",) or (
        "unroll has no meaning here" in network.assumed[0]
    )


def test_head_and_activation_stand_in_the_file(tmp_path: Path) -> None:
    path = saved(sequential(L.LSTM(3), L.Dense(2, "softmax")), tmp_path / "net.keras")
    read(path, head="last", activation="softmax")
    with pytest.raises(ModelError, match="the file gives the last step; leave head out"):
        read(path, head="each")


RANDOM = 50


@pytest.mark.parametrize("seed", range(RANDOM))
def test_random_networks_are_read_as_keras_computes_them(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    made: list[Any] = []
    steps, depth = int(rng.integers(2, 12)), int(rng.integers(1, 4))
    for k in range(depth):
        each = k < depth - 1 or rng.random() < 0.3
        kind = rng.choice(["LSTM", "GRU", "SimpleRNN"])
        options = {"use_bias": bool(rng.random() < 0.8), "return_sequences": bool(each)}
        if kind == "GRU":
            options["reset_after"] = bool(rng.random() < 0.6)
        layer = getattr(L, str(kind))(int(rng.choice([1, 3, 8, 17])), **options)
        made.append(L.Bidirectional(layer) if rng.random() < 0.3 else layer)
        norms = [L.BatchNormalization, L.LayerNormalization, lambda: L.Dropout(0.2)]
        made += [rng.choice(norms)()] if rng.random() < 0.5 else []
        made += [L.Dense(5, "relu")] if rng.random() < 0.3 else []
    if each and rng.random() < 0.6:
        made.append(rng.choice([L.GlobalAveragePooling1D, L.GlobalMaxPooling1D, L.Flatten])())
    made.append(L.Dense(3, str(rng.choice(["linear", "tanh", "softmax"]))))
    suffix = ".h5" if seed % 3 == 0 else ".keras"
    model = sequential(*made, shape=(steps, INPUTS), seed=seed)
    check(model, tmp_path, random_x(seed, steps=steps), suffixes=[suffix])
