"""The PyTorch module of a network: `nn.LSTM`, `nn.GRU`, or a cell's own list of operations."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgelstm.cells import same_cell
from edgelstm.cells.spec import Op
from edgelstm.layers.dense import Dense
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.network import Network
from edgelstm.model.plan import plan_of
from edgelstm.model.precision import FLOAT32

# Cells that PyTorch has, each with its class; what computes the same is one too.
OWN: dict[str, type[nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU}
OPERATIONS: dict[str, Any] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "complement": lambda v: 1 - v,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
}


class Layered(nn.Module):
    """A network of recurrent layers and a dense head, to be trained.

    Args:
        skeleton: Its layers, whatever their weights: PyTorch chooses new ones.
    """

    def __init__(self, skeleton: Network) -> None:
        super().__init__()
        self.skeleton = skeleton
        self.parts = nn.ModuleDict(
            {layer.name: _module(layer) for layer in skeleton.layers if layer.parts}
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The result of series x (n, steps, inputs), and the penalty on last cell states.

        The penalty is the sum over layers of the mean square of the last cell state; 0 without one.
        """
        penalty = x.new_zeros(())
        for layer in self.skeleton.layers:
            if isinstance(layer, ReadSteps):
                x = _read(layer, x)
                continue
            module = self.parts[layer.name]
            if isinstance(layer, Recurrent):
                x, cells = module(x) if isinstance(module, Listed) else _own(module, x)
                penalty = penalty if cells is None else penalty + cells.square().mean()
            else:
                x = module(x)
        return x, penalty

    def network(self) -> Network:
        """The network with the weights as they are now."""
        layers: list[Any] = []
        for layer in self.skeleton.layers:
            arrays = dict(self.parts[layer.name].named_parameters()) if layer.parts else {}
            found: Any = {name: value.detach().numpy().copy() for name, value in arrays.items()}
            if isinstance(layer, Recurrent):
                made = tuple(
                    Direction(d.name, d.cell_name, **_direction(found, k))
                    for k, d in enumerate(layer.directions)
                )
                layers.append(Recurrent(made))
            else:
                layers.append(Dense(layer.name, **found) if isinstance(layer, Dense) else layer)
        return Network(tuple(layers))


def _read(layer: ReadSteps, y: torch.Tensor) -> torch.Tensor:
    if layer.reads == ("last",):
        return y[:, -1]
    assert layer.reads == ("finals",), "candidates read one step, or each"
    half = layer.size // 2
    return torch.cat([y[:, -1, :half], y[:, 0, half:]], 1)


def _own(module: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Outputs of PyTorch's own layer, and its last cell state."""
    outputs, last = module(x)
    return outputs, last[1] if isinstance(last, tuple) else None


def _module(layer: Any) -> nn.Module:
    if isinstance(layer, Dense):
        return nn.Linear(layer.input_size, layer.output_size)
    first: Direction = layer.forward
    kind = next((kind for cell, kind in OWN.items() if same_cell(first.cell_name, cell)), None)
    if kind is None or first.weight_peephole is not None:
        return Listed(layer)
    sizes: Any = {"input_size": first.input_size, "hidden_size": first.hidden_size}
    sizes |= {"proj_size": first.projection_size} if first.projection_size else {}
    both = len(layer.directions) > 1
    return kind(batch_first=True, bidirectional=both, **sizes)


def _direction(found: dict[str, NDArray[np.float32]], k: int) -> dict[str, Any]:
    """Arrays of direction k by the names of its fields."""
    end = _end(k)
    return {name.removesuffix(end): a for name, a in found.items() if name.endswith(end)}


def _end(k: int) -> str:
    """What PyTorch's names of direction k end with."""
    return "_l0_reverse" if k else "_l0"


class Listed(nn.Module):
    """A recurrent layer step by step, by the list that its cell's equations record.

    Its parameters have PyTorch's names: `weight_ih_l0`, `bias_hh_l0_reverse`, ....

    Args:
        layer: Its directions, whatever their weights.
    """

    def __init__(self, layer: Recurrent[Direction]) -> None:
        super().__init__()
        self.directions = layer.directions
        for k, direction in enumerate(layer.directions):
            bound = direction.hidden_size**-0.5  # as PyTorch begins
            for name, array in direction.arrays.items():
                made = torch.empty(array.shape).uniform_(-bound, bound)
                self.register_parameter(name + _end(k), nn.Parameter(made))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Outputs (n, steps, size) and last cell states of all directions, if there are any."""
        outputs, cells = [], []
        for k, direction in enumerate(self.directions):
            y, last = self._steps(direction, x.flip(1) if k else x, _end(k))
            outputs.append(y.flip(1) if k else y)
            cells += [] if last is None else [last]
        return torch.cat(outputs, 2), torch.cat(cells, 1) if cells else None

    def _steps(
        self, direction: Direction, x: torch.Tensor, end: str
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        plan, outputs = plan_of(direction, FLOAT32), []
        states = {s: x.new_zeros(len(x), plan.sizes[s]) for s in plan.states}
        ahead = self._ahead(direction, x, end)
        for t in range(x.shape[1]):
            values = {"x": x[:, t], **states, **{name: v[:, t] for name, v in ahead.items()}}
            for op in plan.ops:
                if op.result not in values:
                    values[op.result] = self._computed(op, direction, values, end)
            states = {s: values[v] for s, v in zip(plan.states, plan.new_states, strict=True)}
            outputs.append(values[plan.result])
        return torch.stack(outputs, 1), states.get("c")

    def _ahead(self, direction: Direction, x: torch.Tensor, end: str) -> dict[str, torch.Tensor]:
        """Products with x alone, of all steps at once."""
        found = [op for op in plan_of(direction, FLOAT32).ops if op.args == ("x",) and op.side]
        return {op.result: self._affine(op, direction, x, end) for op in found}

    def _computed(
        self, op: Op, direction: Direction, values: dict[str, torch.Tensor], end: str
    ) -> torch.Tensor:
        args = [values[name] for name in op.args]
        if op.side:
            return self._affine(op, direction, args[0], end)
        if op.kind == "scale":
            rows = direction.spec.peephole(str(op.gate), direction.hidden_size)
            return args[0] * self.get_parameter(f"weight_peephole{end}")[rows]
        found: torch.Tensor = OPERATIONS[op.kind](*args)
        return found

    def _affine(self, op: Op, direction: Direction, v: torch.Tensor, end: str) -> torch.Tensor:
        weight = self.get_parameter(f"weight_{op.side}{end}")
        if op.gate is None:
            return v @ weight.T
        rows = direction.spec.rows(op.gate, direction.hidden_size)
        bias = self.get_parameter(f"bias_{op.side}{end}")
        return v @ weight[rows].T + bias[rows]
