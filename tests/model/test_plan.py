"""What the plan says about a layer: roles, merged biases, the clip."""

import pytest

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.model.forms import precision_for, refusal
from edgelstm.model.network import Network
from edgelstm.model.plan import LayerPlan, plan_of
from edgelstm.model.precision import FORMS, PRECISIONS, Precision, find_precision
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


FUSED = ("lstm",)


@pytest.mark.parametrize("cell_name", CELLS)
@pytest.mark.parametrize("precision", (*PRECISIONS.values(), *FORMS.values()))
def test_a_cell_without_a_form_says_what_works(cell_name: str, precision: Precision) -> None:
    told = refusal(direction(cell_name, "layer", (3, 4), None), precision)
    if precision.form != "fused" or cell_name in FUSED:
        assert told is None
    else:
        assert told and f"a {cell_name} has no fused {precision.name} form: " in told
        works = "float32, composed int8, composed int16x8, hybrid"
        assert told.endswith(f"; what works for it: {works}")


@pytest.mark.parametrize(
    ("cells", "projection", "expected"),
    [
        (("lstm", "lstm"), None, "fused"),
        (("lstm", "gru"), None, "composed"),
        (("lstm",), 3, "composed"),
    ],
)
def test_the_form_is_fused_where_every_cell_is_a_plain_lstm(
    cells: tuple[str, ...], projection: int | None, expected: str
) -> None:
    parts = [direction(cell, cell, (3, 4), projection) for cell in cells]
    assert precision_for(parts, "int8").form == expected
    assert precision_for(parts, "int16x8").form == "composed"
    assert precision_for(parts, "hybrid").form is None
    assert precision_for(parts, "int8", "composed").form == "composed"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("int4", None), "precision 'int4' is unknown; known: float32, int8, int16x8, hybrid"),
        (("int8", "loose"), "precision 'int8' has no form 'loose'; it has fused and composed"),
        (("hybrid", "fused"), "precision 'hybrid' has no form 'fused'; its values are real"),
    ],
)
def test_an_unknown_precision_or_form_lists_the_known(
    asked: tuple[str, str | None], told: str
) -> None:
    with pytest.raises(ModelError, match=told):
        find_precision(*asked)
