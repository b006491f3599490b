"""PyTorch's ways into a network, in inference mode: the module itself, and traced and frozen."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.networks import Array, Case
from benchmarks.road import Road, steps_first
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def torch(case: Case) -> Iterator[Road]:
    """float32, and int8 weights by PyTorch's dynamic quantization, with one thread."""
    import torch as pytorch

    pytorch.set_num_threads(1)
    network = case.networks["float32"]
    module = _module(network)
    with _quiet():
        quantize: Any = pytorch.ao.quantization.quantize_dynamic
        kinds = {pytorch.nn.LSTM, pytorch.nn.GRU, pytorch.nn.Linear}
        dynamic = quantize(module, kinds, pytorch.qint8)
    start = _start(network)
    for precision, made in (("float32", module), ("hybrid", dynamic)):
        for mode in case.modes:
            x = case.x[:1] if mode == "step" else case.x
            for interface, opened in (("module", lambda m, x: m), ("jit", _frozen(start))):
                call, reset = _call(opened(made, x), start, carries=mode == "step")
                yield Road(
                    "PyTorch", interface, precision, mode, call, lead=steps_first, reset=reset
                )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What is deprecated there is still the fastest that it has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _module(network: Network) -> Any:
    """x (steps, 1, input_size) and a tuple of states per layer to y and the new states."""
    import torch as pytorch

    class Module(pytorch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            made = [_layer(n) for n in network.layers if not isinstance(n, ReadSteps)]
            self.layers = pytorch.nn.ModuleList(made)

        def forward(self, x: Any, states: Any) -> Any:
            new: list[Any] = []
            layers = iter(self.layers)
            for layer in network.layers:
                if isinstance(layer, ReadSteps):
                    x = x[-1:]
                elif isinstance(layer, Recurrent):
                    x, state = next(layers)(x, states[len(new)])
                    new.append(state)
                else:
                    x = next(layers)(x)
            return x, tuple(new)

    return Module().eval()


def _layer(layer: Any) -> Any:
    import torch as pytorch

    if not isinstance(layer, Recurrent):
        linear = pytorch.nn.Linear(layer.input_size, layer.output_size)
        arrays = {"weight": layer.weight, "bias": layer.bias}
        linear.load_state_dict({k: pytorch.from_numpy(v) for k, v in arrays.items()})
        return linear
    kind: Any = {"lstm": pytorch.nn.LSTM, "gru": pytorch.nn.GRU}[layer.cell_name]
    two = len(layer.parts) == 2
    made = kind(layer.input_size, layer.forward.hidden_size, bidirectional=two)
    ends = zip(("l0", "l0_reverse"), layer.parts, strict=False)
    arrays = {f"{k}_{end}": getattr(part, k) for end, part in ends for k in WEIGHTS}
    made.load_state_dict({k: pytorch.from_numpy(v) for k, v in arrays.items()})
    return made


def _start(network: Network) -> tuple[Any, ...]:
    """Zero states: (h, c) of an LSTM, h of a GRU."""
    import torch as pytorch

    found: list[Any] = []
    for layer in network.layers:
        if isinstance(layer, Recurrent):
            zero = pytorch.zeros(len(layer.parts), 1, layer.forward.hidden_size)
            found.append((zero, zero) if layer.cell_name == "lstm" else zero)
    return tuple(found)


def _frozen(start: tuple[Any, ...]) -> Callable[[Any, Array], Any]:
    def frozen(module: Any, x: Array) -> Any:
        import torch as pytorch

        with _quiet(), pytorch.inference_mode():
            jit: Any = pytorch.jit
            return jit.freeze(jit.trace(module, (pytorch.from_numpy(x[:, None].copy()), start)))

    return frozen


def _call(module: Any, start: tuple[Any, ...], *, carries: bool) -> Any:
    import torch as pytorch

    states = [start]

    def call(x: Array) -> Array:
        with pytorch.inference_mode():
            y, new = module(pytorch.from_numpy(x), states[0])
            if carries:
                states[0] = new
            result: Array = y.numpy()
            return result

    def reset() -> None:
        states[0] = start

    return call, reset
