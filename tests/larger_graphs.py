"""Larger ONNX graphs around recurrent nodes, as torch exports them."""

import contextlib
import dataclasses
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="pip install torch")
nn = torch.nn
Feeds = list[dict[str, NDArray[Any]]]


class Convolved(nn.Module):  # type: ignore[name-defined, misc]
    """Conv1d, two LSTMs of 64 units, a dense layer on the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lstm = nn.Conv1d(6, 24, 3, padding=1), nn.LSTM(24, 64, 2, batch_first=True)
        self.dense = nn.Linear(64, 5)

    def forward(self, x: Any) -> Any:
        y, _ = self.lstm(torch.relu(self.conv(x)).transpose(1, 2))
        return self.dense(y[:, -1])


class Tagger(nn.Module):  # type: ignore[name-defined, misc]
    """100 words, a GRU of both directions, a class for each word."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 12)
        self.gru = nn.GRU(12, 16, bidirectional=True, batch_first=True)
        self.dense = nn.Linear(32, 7)

    def forward(self, x: Any) -> Any:
        return self.dense(self.gru(self.embedding(x))[0])


class Detector(nn.Module):  # type: ignore[name-defined, misc]
    """Windows of 512 samples; h and c in one tensor, as voice detectors have them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lstm = nn.Conv1d(1, 16, 64, 64), nn.LSTM(16, 32, 2, batch_first=True)
        self.dense = nn.Linear(32, 1)

    def forward(self, x: Any, state: Any) -> Any:
        frames = torch.relu(self.conv(x[:, None])).transpose(1, 2)
        y, (h, c) = self.lstm(frames, (state[0], state[1]))
        return self.dense(y).mean(1), torch.stack((h, c))


@dataclasses.dataclass(frozen=True)
class Larger:
    """A model, and how it is exported and fed.

    Attributes:
        module: Its class.
        example: Inputs of forward.
        names: Of inputs, then outputs.
        free: Axes of the first input that are free.
        nodes: Of recurrent nodes.
        feeds: Calls.
    """

    module: Callable[[], Any]
    example: tuple[Any, ...]
    names: tuple[list[str], list[str]]
    free: dict[int, str]
    nodes: tuple[str, ...]
    feeds: Callable[[Any], Feeds]


def _windows(rng: Any) -> Feeds:
    """200 of a signal that goes on; the states are left to the caller."""
    signal = np.cumsum(rng.normal(size=200 * 512)) / 20
    return [{"x": signal.reshape(200, 1, 512).astype(np.float32)}]


LARGER = {
    "convolved": Larger(
        Convolved,
        (torch.zeros(1, 6, 20),),
        (["x"], ["y"]),
        {0: "batch", 2: "steps"},
        ("/lstm/LSTM", "/lstm/LSTM_1"),
        lambda rng: [{"x": rng.normal(size=(2, 6, 40)).astype(np.float32)} for _ in range(4)],
    ),
    "tagger": Larger(
        Tagger,
        (torch.zeros(2, 20, dtype=torch.int64),),
        (["x"], ["y"]),
        {0: "batch", 1: "steps"},
        ("/gru/GRU",),
        lambda rng: [{"x": rng.integers(0, 100, (2, 30))} for _ in range(4)],
    ),
    "detector": Larger(
        Detector,
        (torch.zeros(1, 512), torch.zeros(2, 2, 1, 32)),
        (["x", "state"], ["y", "state_out"]),
        {},
        ("/lstm/LSTM", "/lstm/LSTM_1"),
        _windows,
    ),
}


def export(larger: Larger, path: Path, opset: int = 17) -> Path:
    """The file that torch's exporter writes."""
    torch.manual_seed(3)
    inputs, outputs = larger.names
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = io.BytesIO()
        torch.onnx.export(
            larger.module().eval(),
            larger.example,
            made,
            dynamo=False,
            opset_version=opset,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes={"x": larger.free} if larger.free else None,
        )
    path.write_bytes(made.getvalue())
    return path


def export_dynamo(larger: Larger, path: Path) -> Path:
    """The file that the newer exporter writes."""
    free = {axis: torch.export.Dim(name, max=512) for axis, name in larger.free.items()}
    example = tuple(x.repeat(2, *[1] * (x.ndim - 1)) for x in larger.example)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        model = larger.module().eval()
        torch.onnx.export(
            model, example, path, dynamo=True, input_names=["x"], dynamic_shapes=(free,)
        )
    return path
