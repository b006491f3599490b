"""The float oracle against torch and against the equations called on arrays."""

from typing import Any

import numpy as np
import pytest
import torch

from edgelstm.cells import CELLS
from edgelstm.layers.read_steps import reading
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.forward import advance, forward, zero_states
from edgelstm.model.network import Network
from tests.networks import random_direction, random_input, random_network

# float32 weights, both sides in float64: only the order of sums differs.
TOLERANCE = 1e-12


class _Blocks:
    """W or U over arrays, without any of the package's code."""

    def __init__(self, gates: tuple[str, ...], weight: Any, bias: Any) -> None:
        self._blocks = {
            g: (w, b)
            for g, w, b in zip(
                gates, np.split(weight, len(gates)), np.split(bias, len(gates)), strict=True
            )
        }

    def __getattr__(self, gate: str) -> Any:
        weight, bias = self._blocks[gate]
        return lambda v: weight @ v + bias


class _Peepholes:
    """P over arrays, without any of the package's code."""

    def __init__(self, layer: Direction) -> None:
        assert layer.weight_peephole is not None
        blocks = layer.weight_peephole.astype(np.float64).reshape(-1, layer.hidden_size)
        self._blocks = dict(zip(layer.spec.peepholes, blocks, strict=True))

    def __getattr__(self, gate: str):  # type: ignore[no-untyped-def]
        return lambda v: self._blocks[gate] * v


@pytest.mark.parametrize("cell_name", CELLS)
def test_forward_equals_the_equations_on_arrays(cell_name: str) -> None:
    layer = random_direction(cell_name, 3, 7, np.random.default_rng(0), gain=3)
    x = np.random.default_rng(1).normal(size=(9, 3)).astype(np.float32)
    gates, wide = layer.spec.gates, np.float64
    W = _Blocks(gates, layer.weight_ih.astype(wide), layer.bias_ih.astype(wide))
    U = _Blocks(gates, layer.weight_hh.astype(wide), layer.bias_hh.astype(wide))
    P = [_Peepholes(layer)] if layer.spec.peepholes else []
    states, expected = tuple(np.zeros(7) for _ in layer.spec.states), []
    for x_t in x.astype(wide):
        states = layer.spec.equations(W, U, *P, x_t, *states)
        expected.append(states[0])
    got = forward(Network((Recurrent((layer,)),)), x[None])[0]
    assert np.abs(got - expected).max() < TOLERANCE


@pytest.mark.parametrize("gain", [1, 6])
@pytest.mark.parametrize(("kind", "cell_name"), [(torch.nn.LSTM, "lstm"), (torch.nn.GRU, "gru")])
def test_forward_matches_torch(kind: type, cell_name: str, gain: float) -> None:
    torch.manual_seed(0)
    module = kind(5, 16, num_layers=2, batch_first=True).double()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_((p * gain).float())
    p = {k: v.detach().float().numpy() for k, v in module.named_parameters()}
    layers = tuple(
        Recurrent((Direction(f"l{k}", cell_name, *(p[f"{n}_l{k}"] for n in _NAMES)),))
        for k in range(2)
    )
    x = torch.randn(3, 20, 5, dtype=torch.float64)
    expected = module(x)[0].detach().numpy()
    assert np.abs(forward(Network(layers), x.numpy()) - expected).max() < TOLERANCE


_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def test_cell_clip_cuts_the_cell_before_the_output_reads_it() -> None:
    network = random_network("lstm", (2, 4), gain=8, cell_clip=0.25)
    x = random_input(network, 2, 30)
    seen: list[float] = []
    y, states = advance(
        network,
        x,
        zero_states(network, 2),
        see=lambda layer, values: seen.extend(float(np.abs(v).max()) for v in values.values()),
    )
    assert np.abs(states["lstm1"]["c"]).max() == 0.25
    assert np.abs(y).max() <= np.tanh(0.25)


def test_last_step_is_the_last_row_of_each_step() -> None:
    each = random_network("gru", (3, 5), outputs=4, activation="softmax")
    last = Network(reading(each.layers, last_step=True))
    x = random_input(each, 3, 6)
    assert np.array_equal(forward(last, x), forward(each, x)[:, -1])


def test_states_carry_over_between_calls() -> None:
    network = random_network("lstm", (3, 5, 4), outputs=2)
    x = random_input(network, 2, 11)
    first, states = advance(network, x[:, :4], zero_states(network, 2))
    second, _ = advance(network, x[:, 4:], states)
    assert np.array_equal(np.concatenate([first, second], 1), forward(network, x))
