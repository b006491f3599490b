"""The modules of `tests/modules.py` as Keras says them: its own values, or an error with a name.

What Keras cannot say stands in `UNSAID`, with the reason.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.formats import read
from tests.keras_files import check, functional, keras, layers, random_x, saved
from tests.modules import HIDDEN, INPUTS, MODULES, OUTPUTS, STEPS

L = layers
Call = Callable[[Any], Any]


def lstm(units: int = HIDDEN, **options: Any) -> Any:
    return L.LSTM(units, **options)


def each(units: int = HIDDEN) -> Any:
    return lstm(units, return_sequences=True)


def head(outputs: int = OUTPUTS, activation: str | None = None) -> Any:
    return L.Dense(outputs, activation)


def last(*between: Any, activation: str | None = None) -> Call:
    """LSTM, the last step, layers between, the head."""

    def call(x: Any) -> Any:
        y = lstm()(x)
        for layer in between:
            y = layer(y)
        return head(activation=activation)(y)

    return call


def two_heads(x: Any) -> Any:
    y = lstm()(x)
    return [head()(y), head(2)(y)]


def residual(x: Any) -> Any:
    y = each()(x)
    return head()(L.Add()([each()(y), y]))


def packed(x: Any) -> Any:
    return head()(lstm()(L.Masking(99.0)(x)))


def last_and_mean(x: Any) -> Any:
    y = each()(x)
    return head()(L.Concatenate()([y[:, -1], L.GlobalAveragePooling1D()(y)]))


def autoencoder(x: Any) -> Any:
    code = L.RepeatVector(STEPS)(lstm()(x))
    return L.TimeDistributed(L.Dense(INPUTS))(each(7)(code))


SAID: dict[str, Call] = {
    "last step": last(),
    "h_n[-1]": lambda x: head()(lstm()(each()(x))),
    "GRU two layers": lambda x: head()(L.GRU(8)(L.GRU(8, return_sequences=True)(x))),
    "bidirectional last step": lambda x: head()(L.Bidirectional(each())(x)[:, -1]),
    "bidirectional h_n": lambda x: head()(L.Bidirectional(lstm())(L.Bidirectional(each())(x))),
    "mean": lambda x: head()(L.GlobalAveragePooling1D()(each()(x))),
    "max": lambda x: head()(L.GlobalMaxPooling1D()(L.GRU(8, return_sequences=True)(x))),
    "embedding, GRU": lambda x: head()(L.GRU(8)(L.Embedding(10, INPUTS)(x))),
    "LayerNorm behind": last(L.LayerNormalization()),
    "BatchNorm on the last step": last(L.BatchNormalization()),
    "BatchNorm on the input": lambda x: head()(lstm()(L.BatchNormalization()(x))),
    "dense and relu front": lambda x: head()(lstm()(L.Dense(5, "relu")(x))),
    "two heads": two_heads,
    "packed": packed,
    "RNN tanh": lambda x: head()(L.SimpleRNN(8)(L.SimpleRNN(8, return_sequences=True)(x))),
    "RNN relu": lambda x: head()(L.SimpleRNN(8, activation="relu")(x)),
    "tanh head": last(activation="tanh"),
    "log-softmax head": last(activation="log_softmax"),
    "flatten": lambda x: head()(L.Flatten()(each()(x))),
    "relu on the output": last(L.ReLU()),
    "leaky relu": last(L.Dense(5), L.LeakyReLU(0.1)),
    "relu and L2 norm": lambda x: L.UnitNormalization()(last(activation="relu")(x)),
    "(x - mean)/std": lambda x: head()(
        lstm()(L.Normalization(mean=[1.0, 0.5, 0.0, 2.0], variance=[1.0, 2.0, 0.3, 4.0])(x))
    ),
    "autoencoder with repeat": autoencoder,
    "LSTM and GRU": lambda x: head()(L.GRU(5)(each()(x))),
    "sigmoid each step": lambda x: head(activation="sigmoid")(each()(x)),
    "two dense with dropout": last(L.Dense(6, "relu"), L.Dropout(0.3)),
    "cat(last, mean)": last_and_mean,
}
REFUSED: dict[str, tuple[Call, str]] = {
    "Conv1d front": (lambda x: head()(lstm()(L.Conv1D(5, 3, activation="relu")(x))), "Conv1D"),
    "residual between layers": (residual, "Add"),
    "states in and out": (lambda x: lstm(return_state=True)(x), "return_state"),
    "learned state": (
        lambda x: L.GRU(3)(x, initial_state=L.Dense(3)(L.GlobalAveragePooling1D()(x))),
        "initial_state",
    ),
    "attention": (lambda x: L.Attention()([(y := each()(x)), y]), "Attention"),
    "LSTMCell loop": (lambda x: head()(L.RNN(L.LSTMCell(8))(x)), "RNN"),
    "c_n": (lambda x: head()(lstm(return_state=True)(x)[2]), "takes output 2 .*states are not"),
    "every second step": (lambda x: head()(each()(x)[:, ::2]), "takes a part of the steps"),
}
UNSAID = {
    "tied language model": "layers share no weights",
    "time-major": "the batch is always first",
    "weight_norm dense": "no weight norm is kept in a file",
    "weight_norm weight_hh": "no weight norm is kept in a file",
    "proj_size": "no projection",
    "gather by lengths": "no layer chooses steps by lengths",
}


@pytest.mark.parametrize("name", SAID)
def test_a_module_is_read_as_keras_computes_it(name: str, tmp_path: Path) -> None:
    fixed = MODULES[name].steps
    given = (fixed,) if MODULES[name].indices else (fixed, INPUTS)
    model = functional(SAID[name], given, seed=len(name))
    for batch, steps in ((1, 2), (3, 7), (2, 30))[: 1 if fixed else 3]:
        x: Any = random_x(steps, batch, fixed or steps)
        if MODULES[name].indices:
            x = np.random.default_rng(steps).integers(10, size=(batch, steps))
        check(model, tmp_path, x, suffixes=[".keras"] if steps > 2 else [".keras", ".h5"])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused_by_name(name: str, tmp_path: Path) -> None:
    call, expected = REFUSED[name]
    x = keras.Input((None, INPUTS))
    path = saved(keras.Model(x, call(x)), tmp_path / "net.keras")
    with pytest.raises(ModelError, match=f"layer '.*{expected}"):
        read(path)


def test_each_of_the_42_has_its_place() -> None:
    assert {*SAID, *REFUSED, *UNSAID} == set(MODULES)
    assert (len(SAID), len(REFUSED), len(UNSAID)) == (28, 8, 6)
