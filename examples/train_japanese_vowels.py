"""Trains the bundled model: an LSTM that tells nine speakers apart by two Japanese vowels.

    pip install torch aeon safetensors
    python examples/train_japanese_vowels.py [--cell gru] [FOLDER]

writes `japanese_vowels.safetensors` (the model) and `japanese_vowels.npz` (calibration and test
series) to FOLDER, by default `edgelstm/data`; with `--cell gru` a smaller model of a GRU,
`japanese_vowels_gru.safetensors`, to the present folder. The series are read from the files of the
installed package aeon, which is not imported.

Three of each speaker's 30 train series are held out; the model of the epoch with the smallest loss
on them is kept. The settings below were chosen beforehand on train series alone, by
cross-validation. edgelstm/data/README.md says how, and how often test series were looked at.
"""

import argparse
import copy
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import nn

N_CLASSES = 9
N_CHANNELS = 12
STEPS = 29  # the longest series
HELD_OUT_PER_CLASS = 3
CALIBRATION_PER_CLASS = 10
EPOCHS = 150
BATCH = 27
LEARNING_RATE = 0.02
# Both keep gate sums and cell state small, well inside the +-8 of int8's gate format.
WEIGHT_DECAY = 0.2
STATE_PENALTY = 0.01  # times the mean square of the last cell state
INPUT_NOISE = 0.3  # standard deviation; the inputs lie in -1.9 .. 2.3
GAIN_NOISE = 0.15  # standard deviation of a series' factor
MAX_CUT = 4  # steps taken off a series' start
SEED = 0
DATA = Path(__file__).resolve().parents[1] / "edgelstm" / "data"
# Cell to layer, hidden size, name of the model's file and where it goes.
CELLS: dict[str, tuple[type[nn.Module], int, str, Path]] = {
    "lstm": (nn.LSTM, 48, "japanese_vowels", DATA),
    "gru": (nn.GRU, 32, "japanese_vowels_gru", Path()),
}

Array = NDArray[Any]


class Model(nn.Module):
    """A recurrent layer, called like its cell, and a dense layer on its last step."""

    def __init__(self, cell: str) -> None:
        super().__init__()
        kind, hidden_size, *_ = CELLS[cell]
        self.cell = cell
        self.add_module(cell, kind(N_CHANNELS, hidden_size, batch_first=True))
        self.fc = nn.Linear(hidden_size, N_CLASSES)

    def states(self, x: torch.Tensor) -> tuple[torch.Tensor, Any]:
        """Outputs (batch, 29, hidden size) and last states of series x (batch, 29, 12)."""
        outputs, last = self.get_submodule(self.cell)(x)
        return outputs, last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (batch, 9) of series x (batch, 29, 12)."""
        logits: torch.Tensor = self.fc(self.states(x)[0][:, -1])
        return logits


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


def vary(x: torch.Tensor) -> torch.Tensor:
    """Series (n, 29, 12) cut at the start, scaled and with noise; the zeros in front stay zeros."""
    present = (x != 0).any(dim=-1, keepdim=True)
    cut = torch.randint(0, MAX_CUT + 1, (len(x), 1, 1))
    kept = present & (present.cumsum(dim=1) > cut)
    gain = 1 + GAIN_NOISE * torch.randn(len(x), 1, 1)
    return kept * (gain * x + INPUT_NOISE * torch.randn_like(x))


def backward(model: Model, x: torch.Tensor, y: torch.Tensor) -> None:
    """Gradients of the cross entropy and, of an LSTM, of the penalty on the last cell state."""
    outputs, last = model.states(x)
    loss = nn.functional.cross_entropy(model.fc(outputs[:, -1]), y)
    if model.cell == "lstm":
        loss = loss + STATE_PENALTY * last[1].square().mean()
    torch.autograd.backward(loss)


def train(cell: str, x: torch.Tensor, y: torch.Tensor, *, validation: torch.Tensor) -> Model:
    """The model of the epoch with the smallest loss on the validation series.

    Args:
        cell: Key of `CELLS`.
        x: All train series, (n, 29, 12).
        y: Their classes, (n,).
        validation: Marks the held-out ones, (n,) bool.
    """
    model = Model(cell)
    seen_x, seen_y = x[~validation], y[~validation]
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, epochs=EPOCHS, steps_per_epoch=-(-len(seen_x) // BATCH)
    )
    best_loss, best = float("inf"), model
    for _ in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(seen_x)), BATCH):
            optimizer.zero_grad()
            backward(model, vary(seen_x[batch]), seen_y[batch])
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            loss = float(nn.functional.cross_entropy(model(x[validation]), y[validation]))
        if loss < best_loss:
            best_loss, best = loss, copy.deepcopy(model)
    return best


def accuracy(model: Model, x: Array, y: Array) -> str:
    """Share of series classified correctly, with the counts."""
    with torch.no_grad():
        right = int((model(torch.from_numpy(x)).argmax(dim=1).numpy() == y).sum())
    return f"{100 * right / len(y):.1f} % ({right} of {len(y)})"


def main() -> None:
    """Trains, writes the two files, prints the accuracies."""
    parser = argparse.ArgumentParser(description="Trains the bundled model.")
    parser.add_argument("--cell", choices=CELLS, default="lstm")
    parser.add_argument("folder", nargs="?", type=Path, help="where to write")
    given = parser.parse_args()
    *_, name, usual = CELLS[given.cell]
    folder = given.folder or usual
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    source = find_series()
    x, y, _ = read_series(source / "JapaneseVowels_TRAIN.ts")
    test_x, test_y, test_lengths = read_series(source / "JapaneseVowels_TEST.ts")
    validation = held_out(y)
    tensors = torch.from_numpy(x), torch.from_numpy(y)
    model = train(given.cell, *tensors, validation=torch.from_numpy(validation))
    print("train     ", accuracy(model, x[~validation], y[~validation]))
    print("validation", accuracy(model, x[validation], y[validation]))
    print("test      ", accuracy(model, test_x, test_y))

    first = np.concatenate(
        [np.flatnonzero(y == k)[:CALIBRATION_PER_CLASS] for k in range(N_CLASSES)]
    )
    (folder / f"{name}.safetensors").write_bytes(save(model.state_dict()))
    np.savez_compressed(
        folder / f"{name}.npz",
        calibration=x[first],
        calibration_labels=y[first],
        test_inputs=test_x,
        test_labels=test_y,
        test_lengths=test_lengths,
    )


if __name__ == "__main__":
    main()
