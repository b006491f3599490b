"""Data to train on: split by class, padded in front, and what is refused of them."""

import pathlib
import pickle
from typing import Any

import numpy as np
import pytest

from edgelstm.bundled import demo_data
from edgelstm.errors import ModelError
from edgelstm.training.data import read_data

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 6, 3)).astype(np.float32)
Y = np.arange(20) % 2


def test_the_bundled_series_are_split_by_class() -> None:
    data = read_data(None, 0)
    assert (len(data.train), len(data.valid), len(data.test or ())) == (216, 54, 370)
    assert set(np.bincount(data.valid.y)) == {6} and set(np.bincount(data.train.y)) == {24}
    both = np.concatenate([data.train.x, data.valid.x])
    expected = demo_data().train_inputs
    assert sorted(map(bytes, both)) == sorted(map(bytes, expected))
    assert (data.input_size, data.outputs, data.steps) == (12, 9, 29)


def test_the_calibration_is_part_of_what_is_trained_on() -> None:
    data = demo_data()
    first = [k for c in range(9) for k in np.flatnonzero(data.train_labels == c)[:10]]
    assert np.array_equal(data.train_inputs[first], data.calibration)


def test_a_seed_is_a_split_and_a_digest() -> None:
    assert read_data(None, 0).digest == read_data(None, 0).digest
    assert read_data(None, 0).digest != read_data(None, 1).digest


@pytest.mark.parametrize(
    ("y", "kind", "last_step", "outputs"),
    [
        (Y, "classes", True, 2),
        (np.tile(Y[:, None], 6), "classes", False, 2),
        (X[:, 0, 0], "reals", True, 1),
        (X[:, 0, :2], "reals", True, 2),
        (X[:, :, :2], "reals", False, 2),
    ],
)
def test_the_type_and_shape_of_y_say_what_is_asked(
    y: Any, kind: str, last_step: bool, outputs: int
) -> None:
    data = read_data({"x": X, "y": y}, 0)
    assert (data.kind, data.last_step, data.outputs) == (kind, last_step, outputs)
    assert len(data.train) == 16 and len(data.valid) == 4 and data.test is None


def test_given_parts_are_taken_as_they_are(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=X, y=Y, x_valid=X[:4], y_valid=Y[:4], x_test=X[4:7], y_test=Y[4:7])
    data = read_data(path, 0)
    assert np.array_equal(data.train.x, X) and np.array_equal(data.valid.x, X[:4])
    assert data.test is not None and np.array_equal(data.test.y, Y[4:7])


def test_lengths_move_the_zeros_to_the_front() -> None:
    behind, lengths = X.copy(), np.full(20, 4)
    behind[:, 4:] = 0
    split = {"x_valid": X[:4], "y_valid": Y[:4]}
    got = read_data({"x": behind, "y": Y, "lengths": lengths, **split}, 0).train.x
    assert np.array_equal(got[:, 2:], X[:, :4]) and not got[:, :2].any()
    again = read_data({"x": got, "y": Y, "lengths": lengths, **split}, 0).train.x
    assert np.array_equal(again, got)  # they are in front already


NAN = np.where(np.arange(20)[:, None, None] == 3, np.nan, X)
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"x": X}, "x and y go together"),
    ({"x": X, "y": Y, "x_valid": X}, "x_valid and y_valid go together"),
    ({"x": X, "y": Y, "z": Y}, "an array is called 'z'"),
    ({"x": X[:, :, 0], "y": Y}, r"x has shape \(20, 6\); \(series, steps, inputs\)"),
    ({"x": X, "y": Y[:5]}, r"20 series of 6 steps, and y shape \(5,\)"),
    ({"x": NAN, "y": Y}, "x holds NaN or infinity"),
    ({"x": X, "y": NAN[:, 0, 0]}, "y holds NaN or infinity"),
    ({"x": X, "y": np.zeros(20, int)}, "y holds one class only, 0"),
    ({"x": X, "y": Y - 1}, "y reaches from -1 to 0; classes from 0"),
    ({"x": X, "y": Y * 10**6}, "classes from 0 to at most"),
    ({"x": X, "y": Y, "x_test": X[:3], "y_test": Y[:3] + 5}, "y_test reaches from 5 to 6"),
    ({"x": X, "y": Y, "x_test": X[:, :2], "y_test": Y}, "they must be alike"),
    ({"x": X, "y": Y, "lengths": np.zeros(20, int)}, "lengths reach from 0 to 0; 1 to 6"),
    ({"x": X, "y": Y, "lengths": np.full(20, 2)}, "has values outside of it"),
    ({"x": X, "y": Y, "lengths": np.ones(3, int)}, r"lengths has shape \(3,\)"),
    ({"x": X[:2], "y": Y[:2]}, "2 series are too few to hold out"),
    ({"x": [["a"]], "y": Y}, "numbers are needed"),
]


@pytest.mark.parametrize(("arrays", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_arrays_that_do_not_fit_are_refused(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_data(arrays, 0)


def test_a_pickle_is_never_loaded(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(pickle.dumps({"x": 1}))
    with pytest.raises(ModelError, match=r"data\.npz"):
        read_data(path, 0)
    np.savez(path, x=np.array([{}], object), y=Y)
    with pytest.raises(ModelError, match="not numbers|not a readable"):
        read_data(path, 0)
    with pytest.raises(ModelError, match="does not exist"):
        read_data(tmp_path / "absent.npz", 0)


def test_the_callers_arrays_stay_writable() -> None:
    x, y = X.copy(), Y.astype(np.int64)
    data = read_data({"x": x, "y": y, "x_valid": x, "y_valid": y}, 0)
    assert not data.train.x.flags.writeable
    assert x.flags.writeable and y.flags.writeable
