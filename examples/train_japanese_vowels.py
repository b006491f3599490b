"""Trains the bundled model: an LSTM that tells nine speakers apart by two Japanese vowels.

    pip install edgelstm torch aeon==1.6.0
    python examples/train_japanese_vowels.py [--cell gru] [FOLDER]

writes `japanese_vowels.safetensors` (the model) and `japanese_vowels.npz` (train, calibration
and test series) to FOLDER, by default `edgelstm/data`; with `--cell gru` a smaller model of a GRU,
`japanese_vowels_gru.safetensors`, to the present folder. The series are read from the files of the
installed package aeon, which is not imported.

Three of each speaker's 30 train series are held out; the model of the epoch with the smallest loss
on them is kept. The settings below were chosen beforehand on train series alone, by
cross-validation. edgelstm/data/README.md says how, and how often test series were looked at.
"""

import argparse
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

import edgelstm
from edgelstm.model.sizes import shapes
from edgelstm.training.data import read_data
from edgelstm.training.torch import Settings, fit

N_CLASSES = 9
N_CHANNELS = 12
STEPS = 29  # the longest series
HELD_OUT_PER_CLASS = 3
CALIBRATION_PER_CLASS = 10
EPOCHS = 150
SETTINGS = Settings(
    batch=27,
    learning_rate=0.02,
    weight_decay=0.2,
    state_penalty=0.01,
    input_noise=0.3,  # the inputs lie in -1.9 .. 2.3
    gain_noise=0.15,
    max_cut=4,
    patience=1.0,
)
SEED = 0
DATA = Path(__file__).resolve().parents[1] / "edgelstm" / "data"
# Cell to hidden size, name of the model's file and where it goes.
CELLS: dict[str, tuple[int, str, Path]] = {
    "lstm": (48, "japanese_vowels", DATA),
    "gru": (32, "japanese_vowels_gru", Path()),
}

Array = NDArray[Any]


def find_series() -> Path:
    """The folder of the data set inside the installed package aeon.

    Raises:
        SystemExit: aeon is not installed, or its release does not hold the files.
    """
    spec = importlib.util.find_spec("aeon")
    if spec is None or spec.origin is None:
        raise SystemExit("error: the series come with the package aeon: pip install aeon")
    folder = Path(spec.origin).parent / "datasets" / "data" / "JapaneseVowels"
    if not folder.is_dir():
        raise SystemExit(f"error: {folder} is absent; aeon 1.6.0 has it: pip install aeon==1.6.0")
    return folder


def read_series(path: Path) -> tuple[Array, Array, Array]:
    """Inputs (n, 29, 12) with zeros in front, labels (n,) from 0, lengths (n,) of a .ts file.

    A line is a series: its channels, then its class, separated by colons.
    """
    text = path.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and line[0] not in "#@"]
    inputs = np.zeros((len(lines), STEPS, N_CHANNELS), np.float32)
    labels, lengths = np.zeros(len(lines), np.int64), np.zeros(len(lines), np.int64)
    for k, line in enumerate(lines):
        *channels, label = line.split(":")
        values = np.array([channel.split(",") for channel in channels], np.float32)
        labels[k], lengths[k] = int(label) - 1, values.shape[1]
        inputs[k, STEPS - values.shape[1] :] = values.T
    return inputs, labels, lengths


def held_out(labels: Array) -> Array:
    """Marks the series of each class that training does not see, (n,) bool."""
    random = np.random.default_rng(SEED)
    mask = np.zeros(len(labels), bool)
    for label in range(N_CLASSES):
        mask[random.permutation(np.flatnonzero(labels == label))[:HELD_OUT_PER_CLASS]] = True
    return mask


def state_dict(network: Any, cell: str) -> dict[str, Array]:
    """Weights by PyTorch's names; the layers are called like the cell, and `fc`."""
    recurrent, head = network.layers[0], network.layers[-1]
    found = {f"{cell}.{name}_l0": array for name, array in recurrent.arrays.items()}
    return found | {f"fc.{name}": array for name, array in head.arrays.items()}


def accuracy(network: Any, x: Array, y: Array) -> str:
    """Share of series classified correctly, with the counts."""
    right = int((edgelstm.run(network, x).argmax(axis=1) == y).sum())
    return f"{100 * right / len(y):.1f} % ({right} of {len(y)})"


def main() -> None:
    """Trains, writes the two files, prints the accuracies."""
    parser = argparse.ArgumentParser(description="Trains the bundled model.")
    parser.add_argument("--cell", choices=CELLS, default="lstm")
    parser.add_argument("folder", nargs="?", type=Path, help="where to write")
    given = parser.parse_args()
    hidden_size, name, usual = CELLS[given.cell]
    folder = given.folder or usual

    source = find_series()
    x, y, _ = read_series(source / "JapaneseVowels_TRAIN.ts")
    test_x, test_y, test_lengths = read_series(source / "JapaneseVowels_TEST.ts")
    out = held_out(y)
    data = read_data({"x": x[~out], "y": y[~out], "x_valid": x[out], "y_valid": y[out]}, SEED)
    skeleton = shapes(given.cell, N_CHANNELS, hidden_size, outputs=N_CLASSES)
    network = fit(skeleton, data, seed=SEED, epochs=EPOCHS, settings=SETTINGS)
    print("train     ", accuracy(network, x[~out], y[~out]))
    print("validation", accuracy(network, x[out], y[out]))
    print("test      ", accuracy(network, test_x, test_y))

    first = np.concatenate(
        [np.flatnonzero(y == k)[:CALIBRATION_PER_CLASS] for k in range(N_CLASSES)]
    )
    (folder / f"{name}.safetensors").write_bytes(save(state_dict(network, given.cell)))
    np.savez_compressed(
        folder / f"{name}.npz",
        calibration=x[first],
        calibration_labels=y[first],
        train_inputs=x,
        train_labels=y,
        test_inputs=test_x,
        test_labels=test_y,
        test_lengths=test_lengths,
    )


if __name__ == "__main__":
    main()
