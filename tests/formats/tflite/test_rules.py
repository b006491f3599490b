"""The rules for scales of composed integers: each broken by hand is named, and costs bits."""

import dataclasses
import pathlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.formats import write
from edgelstm.formats.tflite import loop
from edgelstm.formats.tflite.model import Graph, Model, Operator, Tensor
from edgelstm.formats.tflite.pack import pack
from edgelstm.formats.tflite.rules import RULES, check_rules
from edgelstm.layers.recurrent import Recurrent
from edgelstm.quantization.reference import run_integers
from edgelstm.quantization.scales import wide
from edgelstm.runtimes.isolation import execute
from edgelstm.verification.sampling import random_sequences
from tests.composed_files import AnyNetwork, at
from tests.networks import random_network
from tests.present import skip_without

STEPS = 40


def model_of(network: AnyNetwork) -> Model:
    return loop.composed_model(network, STEPS, False)


def with_scales(model: Model, scale_of: Callable[[Tensor], float | None]) -> Model:
    """The model with other scales of the tensors for which a function gives one."""
    made: dict[int, Any] = {id(None): None}

    def changed(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
        for tensor in tensors:
            if id(tensor) not in made:
                scale = scale_of(tensor)
                made[id(tensor)] = dataclasses.replace(
                    tensor, scale=tensor.scale if scale is None else scale
                )
        return tuple(made[id(tensor)] for tensor in tensors)

    def operator(op: Operator) -> Operator:
        return dataclasses.replace(op, inputs=changed(op.inputs), outputs=changed(op.outputs))

    graphs = tuple(
        Graph(
            changed(graph.inputs),
            changed(graph.outputs),
            tuple(operator(op) for op in graph.operators),
            graph.name,
        )
        for graph in model.graphs
    )
    ends = [
        dataclasses.replace(
            s,
            inputs=dict(zip(s.inputs, changed(tuple(s.inputs.values())), strict=True)),
            outputs=dict(zip(s.outputs, changed(tuple(s.outputs.values())), strict=True)),
        )
        for s in model.signatures
    ]
    return dataclasses.replace(model, graphs=graphs, signatures=tuple(ends))


def rescaled(pattern: str, scale: float) -> Callable[[Model], Model]:
    """Another scale of all tensors whose names fit."""
    return lambda model: with_scales(
        model, lambda t: scale if re.fullmatch(pattern, t.name) else None
    )


def without_biases(model: Model) -> Model:
    def operator(op: Operator) -> Operator:
        is_product = op.name == "FULLY_CONNECTED"
        return dataclasses.replace(op, inputs=op.inputs[:2]) if is_product else op

    graphs = tuple(
        dataclasses.replace(graph, operators=tuple(operator(op) for op in graph.operators))
        for graph in model.graphs
    )
    return dataclasses.replace(model, graphs=graphs)


def free_weights(model: Model) -> Model:
    """Scales of 24 bits."""

    def scale_of(tensor: Tensor) -> float | None:
        if tensor.scale is None or not re.fullmatch(r".*/(weight|bias)_[ih]h_.", tensor.name):
            return None
        return float(np.float32(tensor.scale * 1.0003721))

    return with_scales(model, scale_of)


# GRU: v2 and v6 are the sums of r and z, v11 that of n, v13 is h - n. LSTM: v18 is the new c.
BROKEN: dict[int, tuple[str, Callable[[Model], Model]]] = {
    1: ("gru", rescaled("gru1/v(2|6|11)", 2.0**-12)),
    2: ("gru", free_weights),
    3: ("gru", without_biases),
    4: ("lstm", rescaled("lstm1/(v1[678]|c|c_start)|c|loop1/lstm1/c", 2.0**-8)),
    5: ("gru", rescaled("gru1/v(0|1|4|5)", 2.0**-13)),
    6: ("lstm_peephole", rescaled("lstm1/weight_peephole_.", 0.0003)),
    7: ("gru", rescaled("gru1/v13", 2.0**-15)),
}


@pytest.mark.parametrize("number", BROKEN)
def test_each_rule_that_is_broken_is_named(number: int) -> None:
    cell_name, broken = BROKEN[number]
    model = model_of(at(random_network(cell_name, (5, 16)), "int16x8"))
    check_rules(model)
    with pytest.raises(ModelError, match=f"^rule {number} of composed integers: "):
        check_rules(broken(model))


def test_each_rule_has_a_number_in_what_it_says_of_itself() -> None:
    assert [str(rule.__doc__)[:7] for rule in RULES] == [f"Rule {k}:" for k in range(1, 8)]


def with_layer(network: Any, **changes: Any) -> Any:
    (layer,) = network.layers
    direction = dataclasses.replace(layer.forward, **changes)
    return dataclasses.replace(network, layers=(Recurrent((direction,)),))


def breaking(number: int) -> Any:
    """A network that breaks a rule that costs bits."""
    float_network = random_network("lstm" if number == 4 else "gru", (5, 16), gain=2.0)
    if number == 3:
        (layer,) = float_network.layers
        zeros = np.zeros(48, np.float32)
        float_network = with_layer(float_network, bias_ih=zeros, bias_hh=zeros)
    network: Any = at(float_network, "int16x8")
    layer = network.layers[0].forward
    if number == 1:
        return with_layer(network, scales=layer.scales | dict.fromkeys(("v2", "v6"), wide(-12)))
    if number == 2:
        scales = {k: float(np.float32(s * 1.0003721)) for k, s in layer.weight_scales.items()}
        return with_layer(network, weight_scales=scales)
    if number == 4:
        cell = {value: wide(-12) for value, role in layer.plan.roles.items() if role == "cell"}
        return with_layer(network, scales=layer.scales | cell)
    return network


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_broken_rule_costs_equal_bits_in_a_runtime(
    number: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_without("litert")
    skip_without("tflm")
    network, path = breaking(number), tmp_path / "net.tflite"
    monkeypatch.setattr(loop, "check_rules", lambda model: None)
    model = model_of(network)
    if number == 3:
        model = without_biases(model)
    with pytest.raises(ModelError, match=f"^rule ({number}|1) of"):  # tanh reads a cell too
        check_rules(model)
    path.write_bytes(pack(dataclasses.replace(model, metadata={})))
    x = random_sequences(network, 40, STEPS)
    expected = run_integers(network, x)
    different = 0
    for runtime in ("litert", "tflm"):
        done = execute(runtime, path, x)
        assert done.outputs is not None, done.reason
        different += int((done.outputs != expected).sum())
    assert different


def test_a_network_that_breaks_a_rule_is_not_written(tmp_path: pathlib.Path) -> None:
    for number in (1, 2, 4):
        with pytest.raises(ModelError, match="layer 'gru1'|layer 'lstm1'"):
            write(breaking(number), tmp_path / "net.tflite", steps=STEPS)
    assert not list(tmp_path.iterdir())
