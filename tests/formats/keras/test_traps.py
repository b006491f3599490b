"""What is easily read wrong: places of weights, files of Keras 2, options that are refused."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.formats import read
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forward import forward
from tests.formats.test_hostile import refusal
from tests.keras_files import (
    INPUTS,
    TOLERANCE,
    changed,
    config_of,
    functional,
    keras,
    keras_2_archive,
    keras_2_h5,
    layers,
    outputs,
    random_x,
    rewritten,
    saved,
    sequential,
    weights_of,
)

L = layers


def several() -> Any:
    """Two layers of each class, none called as its class and number."""
    return sequential(
        L.LSTM(4, return_sequences=True, name="second"),
        L.Dense(5, name="dense_1"),
        L.LSTM(3, return_sequences=True, name="lstm"),
        L.BatchNormalization(name="first"),
        L.Dense(4, name="dense"),
        L.LayerNormalization(),
        L.Dense(2, name="dense_2"),
    )


def compared(model: Any, path: Path) -> None:
    x = random_x(1)
    np.testing.assert_allclose(forward(read(path), x), outputs(model, x), atol=TOLERANCE)  # type: ignore[arg-type]


def test_weights_are_counted_by_class_not_by_name(tmp_path: Path) -> None:
    model = several()
    path = saved(model, tmp_path / "net.keras")
    with weights_of(path) as file:
        assert {"lstm", "lstm_1", "dense", "dense_1"} <= set(file["layers"])
        assert file["layers/lstm/vars"].attrs["name"] == "second"
    compared(model, path)


@pytest.mark.parametrize("twice", [False, True])
def test_archives_of_keras_2_are_read(twice: bool, tmp_path: Path) -> None:
    model = several()
    path = keras_2_archive(model, tmp_path / "net.keras", twice=twice)
    with weights_of(path) as file:
        held = file["_layer_checkpoint_dependencies"]
        assert ("lstm_2" if twice else "lstm_1") in held
    compared(model, path)


@pytest.mark.parametrize("as_bytes, split", [(False, False), (True, False), (True, True)])
def test_h5_of_keras_2_is_read(as_bytes: bool, split: bool, tmp_path: Path) -> None:
    model = several()
    path = keras_2_h5(model, tmp_path / "net.h5", as_bytes=as_bytes, split=split)
    with h5py.File(path) as file:
        assert "second/lstm_cell_7/kernel:0" in file["model_weights/second"]
        assert isinstance(file.attrs["model_config"], bytes) is as_bytes
    compared(model, path)


def test_h5_of_keras_3_names_weights_without_an_end(tmp_path: Path) -> None:
    path = saved(several(), tmp_path / "net.h5")
    with h5py.File(path) as file:
        assert file["model_weights/second"].attrs["weight_names"][0].endswith("lstm_cell/kernel")
    compared(several(), path)


def test_gates_stand_in_keras_order(tmp_path: Path) -> None:
    for cell, order, gates in ((L.LSTM, "ifco", "ifco"), (L.GRU, "zrh", "rzh")):
        model = sequential(cell(2))
        kernel = model.layers[0].weights[0]
        values = np.repeat(np.arange(len(order)), 2)[None].repeat(INPUTS, 0)
        kernel.assign(values.astype(np.float32))
        network = read(saved(model, tmp_path / "net.keras"))
        layer = network.layers[0]
        assert isinstance(layer, Recurrent)
        expected = [order.index(gate) for gate in gates for _ in range(2)]
        assert layer.forward.weight_ih[:, 0].tolist() == expected


def test_hard_sigmoid_is_that_of_the_keras_that_wrote_it(tmp_path: Path) -> None:
    x = random_x(2)
    model = sequential(L.LSTM(4), L.Dense(3, "hard_sigmoid"))
    linear = sequential(L.LSTM(4), L.Dense(3))
    expected = np.clip(0.2 * outputs(linear, x) + 0.5, 0, 1)
    for path in (
        keras_2_archive(model, tmp_path / "net.keras", twice=False),
        keras_2_h5(model, tmp_path / "net.h5", as_bytes=True),
    ):
        np.testing.assert_allclose(forward(read(path), x), expected, atol=TOLERANCE)  # type: ignore[arg-type]
    path = rewritten(saved(model, tmp_path / "net.keras"), metadata_json=None)
    assert "the file does not say which" in refusal(path)


def test_a_gru_without_its_option_is_an_old_one(tmp_path: Path) -> None:
    model = sequential(L.GRU(4, reset_after=False))
    path = saved(model, tmp_path / "net.keras")
    changed(path, lambda config: config["config"]["layers"][1]["config"].pop("reset_after"))
    compared(model, path)


@pytest.mark.parametrize("last", [True, False])
def test_wrong_weights_are_not_taken(last: bool, tmp_path: Path) -> None:
    """Layers of one class and size, described in another order than stored."""
    model = sequential(*(L.Dense(4) for _ in range(3)), L.LSTM(4), L.Dense(INPUTS))

    def exchange(config: Any) -> None:
        held = config["config"]["layers"]
        if last:
            held.pop()
        else:
            held[1], held[2] = held[2], held[1]

    path = changed(saved(model, tmp_path / "net.keras"), exchange)
    expected = "holds weights of 4 layers of the class Dense, and describes 3"
    assert (expected if last else "its weights are said to be those of") in refusal(path)


# What a model holds to what its error says.
OPTIONS: dict[str, tuple[Callable[[], list[Any]], str]] = {
    "relu cell": (lambda: [L.LSTM(3, activation="relu")], "activation is 'relu'; 'tanh' alone"),
    "hard sigmoid cell": (
        lambda: [L.GRU(3, recurrent_activation="hard_sigmoid")],
        "recurrent_activation is 'hard_sigmoid'; 'sigmoid' alone",
    ),
    "sigmoid rnn": (lambda: [L.SimpleRNN(3, activation="sigmoid")], "activation is 'sigmoid'"),
    "backwards": (lambda: [L.LSTM(3, go_backwards=True)], "go_backwards is True"),
    "zeros": (lambda: [L.LSTM(3, zero_output_for_mask=True)], "zero_output_for_mask is True"),
    "cells": (
        lambda: [L.RNN([L.LSTMCell(3), L.LSTMCell(4)])],
        "(RNN) is not supported: cells of one's own are not read",
    ),
    "cells both ways": (lambda: [L.Bidirectional(L.RNN(L.LSTMCell(3)))], "holds a RNN; LSTM, GRU"),
    "mul": (lambda: [L.Bidirectional(L.LSTM(3), merge_mode="mul")], "merge_mode is 'mul'"),
    "ave": (lambda: [L.Bidirectional(L.LSTM(3), merge_mode="ave")], "merge_mode is 'ave'"),
    "another kind backward": (
        lambda: [
            L.Bidirectional(L.GRU(3), backward_layer=L.GRU(3, go_backwards=True, reset_after=False))
        ],
        "its two layers differ in class or options",
    ),
    "sum at the end": (
        lambda: [L.Bidirectional(L.LSTM(3), merge_mode="sum")],
        "adds two directions, which a dense or recurrent layer alone reads",
    ),
    "max of a sum": (
        lambda: [
            L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode="sum"),
            L.GlobalMaxPooling1D(),
        ],
        "adds two directions",
    ),
    "lambda": (
        lambda: [L.LSTM(3), L.Lambda(lambda x: x)],
        "(Lambda) is not supported: its code is not run",
    ),
    "convolution": (lambda: [L.Conv1D(3, 2), L.LSTM(3)], "(Conv1D) is not supported: convolutions"),
    "gelu": (lambda: [L.LSTM(3), L.Dense(2, "gelu")], "activation 'gelu' is not supported"),
    "mixed": (
        lambda: [L.LSTM(3, dtype="mixed_float16")],
        "computes by the policy 'mixed_float16'; float32 is needed",
    ),
    "mask behind": (lambda: [L.Dense(3), L.Masking(), L.LSTM(3)], "masks what was computed"),
    "channels first": (
        lambda: [
            L.LSTM(3, return_sequences=True),
            L.GlobalAveragePooling1D(data_format="channels_first"),
        ],
        "data_format is 'channels_first'",
    ),
    "scaled at the end": (lambda: [L.LSTM(3), L.BatchNormalization()], "scaled and shifted"),
    "rectified from a threshold": (
        lambda: [L.LSTM(3), L.ReLU(threshold=0.5)],
        "threshold is 0.5; 0.0 alone is read",
    ),
    "softmax over steps": (
        lambda: [L.LSTM(3, return_sequences=True), L.Softmax(axis=1)],
        "runs along axis 1",
    ),
    "one repetition": (
        lambda: [L.LSTM(3), L.RepeatVector(1), L.LSTM(3)],
        "a sequence of one step",
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_not_read_is_refused_by_name(name: str, tmp_path: Path) -> None:
    made, expected = OPTIONS[name]
    model = keras.Sequential([keras.Input((None, INPUTS)), *made()])
    for suffix in (".keras", ".h5"):
        said = refusal(saved(model, tmp_path / f"net{suffix}"))
        assert expected in said


CALLS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "states": (lambda x: L.LSTM(3, return_state=True)(x), "return_state is True"),
    "initial states": (
        lambda x: L.GRU(3)(x, initial_state=L.Dense(3)(L.LSTM(2)(x))),
        "is called with initial_state",
    ),
    "residual": (
        lambda x: L.Add()([x, L.LSTM(INPUTS, return_sequences=True)(x)]),
        "(Add) is not supported: it joins two layers",
    ),
    "attention": (
        lambda x: L.Attention()([(y := L.LSTM(3, return_sequences=True)(x)), y]),
        "(Attention) is not supported",
    ),
    "directions apart": (
        lambda x: L.Bidirectional(L.LSTM(3), merge_mode=None)(x),
        "merge_mode is None; 'concat' and 'sum' are read",
    ),
    "every second step": (
        lambda x: L.LSTM(3, return_sequences=True)(x)[:, ::2],
        "takes a part of the steps; the last one is read",
    ),
    "one layer twice": (
        lambda x: (d := L.Dense(INPUTS))(d(x)),
        "is called 2 times; a layer of a network is called once",
    ),
    "a mask of its own": (
        lambda x: L.LSTM(3)(L.Masking()(x), mask=keras.ops.any(keras.ops.not_equal(x, 1.0), -1)),
        "takes a mask for 1.0, not 0",
    ),
    "joined steps": (
        lambda x: L.Concatenate()([x, L.LSTM(3, return_sequences=True)(x)]),
        "joins values of each step",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_that_no_network_has_are_refused(name: str, tmp_path: Path) -> None:
    call, expected = CALLS[name]
    for suffix in (".keras", ".h5"):
        assert expected in refusal(saved(functional(call), tmp_path / f"net{suffix}"))


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    x, z = keras.Input((None, 3)), keras.Input((3,))
    model = keras.Model([x, z], [L.LSTM(3)(x), L.Dense(2)(z)])
    assert "takes 2 inputs; a network takes one" in refusal(saved(model, tmp_path / "net.keras"))


def test_integers_without_a_table_are_refused(tmp_path: Path) -> None:
    x = keras.Input((None, 3), dtype="int32")
    model = keras.Model(x, L.LSTM(3)(x))
    said = refusal(saved(model, tmp_path / "net.keras"))
    assert "takes int32; integers are read in front of an Embedding alone" in said


@keras.saving.register_keras_serializable("mine")
class Mine(keras.layers.Dense):  # type: ignore[misc]
    """A class of others that looks like Dense."""


def test_classes_of_others_are_refused(tmp_path: Path) -> None:
    path = saved(sequential(L.LSTM(3), Mine(2)), tmp_path / "net.keras")
    assert "is a class of others (mine>Mine); nothing of a file is imported" in refusal(path)
    for name, value in (("module", "os"), ("module", "kerases"), ("registered_name", "Dense>x")):
        path = saved(sequential(L.LSTM(3)), tmp_path / "net.keras")
        other = {name: value}
        changed(path, lambda config, other=other: config["config"]["layers"][1].update(other))  # type: ignore[misc]
        assert "is a class of others" in refusal(path)


def test_a_quantized_model_is_refused(tmp_path: Path) -> None:
    model = sequential(L.LSTM(3), L.Dense(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.layers[1].quantize("int8")
    said = refusal(saved(model, tmp_path / "net.keras"))
    assert "computes by the policy" in said and "before it was quantized" in said


def test_stateful_layers_are_read_and_said(tmp_path: Path) -> None:
    path = saved(sequential(L.LSTM(3)), tmp_path / "net.keras")
    changed(path, lambda config: config["config"]["layers"][1]["config"].update(stateful=True))
    (said,) = read(path).assumed
    assert said.endswith("(LSTM): stateful has no meaning here")


def test_weights_alone_are_refused_with_what_saves_all(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    model = sequential(L.LSTM(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_weights(tmp_path / "net.weights.h5")
    (tmp_path / "net.weights.h5").rename(path)
    assert "save the whole model: model.save('model.keras')" in refusal(path)


def test_a_file_is_what_it_holds_whatever_its_name(tmp_path: Path) -> None:
    path = saved(several(), tmp_path / "net.keras").rename(tmp_path / "net.h5")
    compared(several(), path)
    path = saved(several(), tmp_path / "other.h5").rename(tmp_path / "other.keras")
    compared(several(), path)


def test_a_folder_of_tensorflow_names_the_line_that_saves_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ModelError, match=r"SavedModel.*load_model\(.*\).save\('model.keras'\)"):
        read(folder)


def test_arrays_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = saved(sequential(L.LSTM(3), L.Dense(2)), tmp_path / "net.h5")
    with h5py.File(path, "r+") as file:
        held = file["model_weights"]
        group = held[next(name for name in held if name.startswith("dense"))]
        names = [str(name) for name in group.attrs["weight_names"]]
        group.attrs["weight_names"] = names[::-1]
    assert "in an order not known" in refusal(path)
    path = saved(sequential(L.LSTM(3)), tmp_path / "net.keras")
    changed(path, lambda config: config["config"]["layers"][1]["config"].update(units=4))
    assert "cell/bias has shape (12,); (16,) is needed" in refusal(path)
    changed(path, lambda config: config["config"]["layers"][1]["config"].update(units=10**30))
    assert "units is 1000" in refusal(path)
    changed(path, lambda config: config["config"]["layers"][1]["config"].update(use_bias=False))
    assert "3 arrays of weights; 2 are needed" in refusal(path)


def test_a_description_without_what_it_takes_is_refused(tmp_path: Path) -> None:
    path = saved(sequential(L.LSTM(3)), tmp_path / "net.keras")

    def forget(config: Any) -> None:
        config["config"]["layers"].pop(0)
        config["config"].pop("build_input_shape", None)

    changed(path, forget)
    assert "does not say what it takes; begin the model with keras.Input" in refusal(path)
    assert json.dumps(config_of(path))
