"""The default trainer: AdamW with a one-cycle rate on one thread, deterministic, in PyTorch."""

import contextlib
import copy
import dataclasses
import math
import warnings
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import nn

from edgelstm.errors import ModelError
from edgelstm.model.network import Network
from edgelstm.training.data import CLASSES, Series, TrainingData
from edgelstm.training.modules import Layered


class Architecture(Protocol):
    """What a trainer asks of a candidate."""

    def network(self, task: Any) -> Network:
        """Its layers, weights of zeros; `task` has `input_size`, `outputs` and `last_step`."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How it is trained.

    Attributes:
        batch: Series of a step.
        learning_rate: The highest of the cycle.
        weight_decay, state_penalty: Both keep gate sums and cell state small, inside the +-8 of
            int8's gate format; the penalty is times the mean square of the last cell state.
        clip: The largest norm of a gradient.
        input_noise, gain_noise: Standard deviations of what is added to inputs, and of a series'
            factor.
        max_cut: Steps taken off a series' start, at most.
        patience: Share of the epochs after which training ends if validation has not become better.
    """

    batch: int = 27
    learning_rate: float = 0.02
    weight_decay: float = 0.2
    state_penalty: float = 0.01
    clip: float = 1.0
    input_noise: float = 0.0
    gain_noise: float = 0.0
    max_cut: int = 0
    patience: float = 0.5


DEFAULT = Settings()


def train(candidate: Architecture, data: TrainingData, seed: int, epochs: int) -> Network:
    """A candidate's network, trained; the same on every run of one machine.

    Args:
        candidate: Its architecture; the precision has no part in it.
        data: What it is trained on, and stopped by.
        seed: Of weights and order.
        epochs: The most; those of the smallest loss on validation series are kept.

    Raises:
        ModelError: The loss is no number any more.
    """
    return fit(candidate.network(data), data, seed=seed, epochs=epochs)


def fit(
    skeleton: Network, data: TrainingData, *, seed: int, epochs: int, settings: Settings = DEFAULT
) -> Network:
    """As `train`, of the layers of a network, whatever their weights, with other settings."""
    with _alone(seed):
        model = Layered(skeleton)
        return _fitted(model, data, epochs, settings)


@contextlib.contextmanager
def _alone(seed: int) -> Iterator[None]:
    """One thread and a random state of its own; the caller's are as before."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "LSTM with projections")  # are slower, no more
            torch.manual_seed(seed)
            torch.set_num_threads(1)
            torch.use_deterministic_algorithms(True)
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


def _fitted(model: Layered, data: TrainingData, epochs: int, settings: Settings) -> Network:
    x, y = _tensors(data.train)
    valid_x, valid_y = _tensors(data.valid)
    rate, decay = settings.learning_rate, settings.weight_decay
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    batches = -(-len(x) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, epochs=epochs, steps_per_epoch=batches
    )
    best, best_loss, best_epoch = model, math.inf, 0
    for epoch in range(epochs):
        for chosen in torch.split(torch.randperm(len(x)), settings.batch):
            optimizer.zero_grad()
            result, penalty = model(_varied(x[chosen], settings))
            loss = _loss(result, y[chosen], data.kind) + settings.state_penalty * penalty
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            found = float(_loss(model(valid_x)[0], valid_y, data.kind))
        if not math.isfinite(found):
            raise ModelError(f"the loss is {found} after {epoch + 1} epochs")
        if found < best_loss:
            best, best_loss, best_epoch = copy.deepcopy(model), found, epoch
        if epoch - best_epoch >= settings.patience * epochs:
            break
    return best.network()


def _tensors(series: Series) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(series.x), torch.tensor(series.y)


def _loss(result: torch.Tensor, y: torch.Tensor, kind: str) -> torch.Tensor:
    if kind == CLASSES:
        return nn.functional.cross_entropy(result.flatten(0, -2), y.flatten())
    return nn.functional.mse_loss(result, y.reshape(result.shape))


def _varied(x: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Series cut at the start, scaled and with noise; the zeros in front stay zeros."""
    if not (settings.input_noise or settings.gain_noise or settings.max_cut):
        return x
    present = (x != 0).any(dim=-1, keepdim=True)
    cut = torch.randint(0, settings.max_cut + 1, (len(x), 1, 1))
    kept = present & (present.cumsum(dim=1) > cut)
    gain = 1 + settings.gain_noise * torch.randn(len(x), 1, 1)
    return kept * (gain * x + settings.input_noise * torch.randn_like(x))
