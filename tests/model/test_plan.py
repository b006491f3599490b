"""What the plan says about a layer: roles, merged biases, the clip."""

import pytest

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.model.forms import refusal
from edgelstm.model.network import Network
from edgelstm.model.plan import LayerPlan, find_precision, plan_of
from edgelstm.model.precision import PRECISIONS
from edgelstm.model.sizes import direction
from tests.networks import random_network


def layer_plan(network: Network, precision: str) -> LayerPlan:
    return plan_of(network.layers[0].parts[0], PRECISIONS[precision])


def test_roles_of_an_lstm_are_those_of_its_integers() -> None:
    found = layer_plan(random_network("lstm", (3, 4)), "int8")
    kinds = {(op.kind, found.roles[op.result]) for op in found.ops}
    assert kinds == {
        ("affine_ih", "sum"),
        ("affine_hh", "sum"),
        ("add", "sum"),
        ("sigmoid", "activation"),
        ("tanh", "activation"),
        ("mul", "cell"),
        ("add", "cell"),
        ("mul", "output"),
    }
    assert found.format(found.new_states[0]).type == "int8"
    assert found.format(found.new_states[1]).type == "int16"


def test_biases_merge_where_their_affines_meet() -> None:
    lstm = layer_plan(random_network("lstm", (3, 4)), "float32")
    assert {sides for sides in lstm.biases.values()} == {("ih", "hh"), ()}
    gru = layer_plan(random_network("gru", (3, 4)), "float32")
    apart = {op.gate for op in gru.ops if op.side and len(gru.biases[op.result]) == 1}
    assert apart == {"n"}


def test_clip_stands_behind_the_new_cell_and_before_its_readers() -> None:
    found = layer_plan(random_network("lstm", (3, 4), cell_clip=1.0), "float32")
    clip = next(k for k, op in enumerate(found.ops) if op.kind == "clip")
    assert found.new_states[1] == found.ops[clip].result
    assert found.ops[clip].args[0] == found.ops[clip - 1].result
    assert all(found.ops[clip].args[0] not in op.args for op in found.ops[clip + 1 :])


WORKS = {
    "float32": tuple(CELLS),
    "hybrid": ("lstm", "lstm_coupled", "gru", "gru_reset_before", "rnn", "mgu"),
    "int8": ("lstm",),
}


@pytest.mark.parametrize("cell_name", CELLS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_cell_without_a_form_says_what_works(cell_name: str, precision: str) -> None:
    told = refusal(direction(cell_name, "layer", (3, 4), None), PRECISIONS[precision])
    if cell_name in WORKS[precision]:
        assert told is None
    else:
        assert told and f"a {cell_name} has no form in {precision} yet: " in told
        assert f"; what works for it: float32{', hybrid' * (cell_name in WORKS['hybrid'])}" in told


def test_unknown_precision_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match="known: float32, int8, hybrid"):
        find_precision("int4")
