"""The list of integer operations: numbers worked out by runtimes or by hand, and what has none."""

import dataclasses
import hashlib
from typing import Any

import numpy as np
import pytest

from edgelstm.cells import CELLS
from edgelstm.cells.spec import CellSpec, sigmoid, tanh
from edgelstm.errors import ModelError
from edgelstm.execution.session import run
from edgelstm.formats.onnx.write import encode
from edgelstm.layers.directions import parts
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.forms import plan_refusal
from edgelstm.model.plan import plan_of
from edgelstm.model.precision import INT8
from edgelstm.quantization import rounding
from edgelstm.quantization.fixedpoint import requantize, table_sigmoid
from edgelstm.quantization.fixedpoint import table_tanh as q_tanh
from edgelstm.quantization.lower import lower
from edgelstm.quantization.operations import Add, Clip, Mul, Product, Table
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.quantizer import quantize
from edgelstm.quantization.reference import run_integers
from edgelstm.quantization.rounding import LITERT, ONNXRUNTIME, TFLITE_RUNTIME, TFLM, Arithmetic
from edgelstm.quantization.scales import Scale
from tests.networks import GOLDEN_B, GOLDEN_R, GOLDEN_W, golden_lstm, random_network
from tests.parameters import cells_of

INT8_LIMITS, INT16_LIMITS = (-128, 127), (-32768, 32767)


def golden_layer(**changes: Any) -> QuantizedDirection:
    (layer,) = parts(golden_lstm().layers)
    changed: QuantizedDirection = dataclasses.replace(layer, **changes)
    return changed


def of(kind: type, layer: Any, arithmetic: Arithmetic = TFLM) -> list[Any]:
    return [op for op in lower(layer, arithmetic).ops if isinstance(op, kind)]


# What the runtimes' own Prepare stored for the golden vector: W and R of i, f, g, o.
TFLM_MULTIPLIERS = {
    "ih": [(1209462802, 1), (1979120874, 0), (1429365167, 1), (1759218714, 0)],
    "hh": [(1583296722, -2), (1847179550, -2), (1319413894, -2), (2111062378, -3)],
}
LITERT_MULTIPLIERS = {
    "ih": [(1209462784, 1), (1979120896, 0), (1429365120, 1), (1759218688, 0)],
    "hh": [(1583296768, -2), None, None, (2111062400, -3)],
}


@pytest.mark.parametrize(
    ("arithmetic", "multipliers", "recurrent_limits"),
    [(TFLM, TFLM_MULTIPLIERS, INT16_LIMITS), (LITERT, LITERT_MULTIPLIERS, None)],
    ids=["tflm", "litert"],
)
def test_products_have_the_numbers_of_the_runtime(
    arithmetic: Arithmetic, multipliers: dict[str, list[Any]], recurrent_limits: Any
) -> None:
    for op in of(Product, golden_layer(), arithmetic):
        k = "ifgo".index(op.gate)
        expected = multipliers[op.side][k]
        assert op.rescale.rounding == "requantize" and op.rescale.zero_point == 0
        assert expected is None or op.rescale.numbers == expected
        stored = GOLDEN_W if op.side == "ih" else GOLDEN_R
        assert op.weight.tolist() == stored[2 * k : 2 * k + 2]
        if op.side == "ih":
            assert (op.args, op.zero_point) == (("x",), 3)
            assert op.bias is not None and op.bias.tolist() == GOLDEN_B[2 * k : 2 * k + 2]
            assert op.rescale.limits == INT16_LIMITS
        else:
            assert (op.args, op.zero_point, op.bias) == (("h",), -2, None)
            assert op.rescale.limits == recurrent_limits


def test_between_products_and_states_stand_the_worked_numbers() -> None:
    lowered = lower(golden_layer(cell_clip=0.0))
    ends = (lowered.input, *lowered.states, lowered.output)
    assert [end.zero_point for end in ends] == [3, -2, 0, -2]
    kept, new, out = of(Mul, golden_layer())
    assert [op.rescale.numbers for op in (kept, new)] == [(2**30, -14), (2**30, -17)]
    assert out.rescale.numbers == (1118481092, -22)
    assert (out.rescale.zero_point, out.rescale.limits) == (-2, INT8_LIMITS)
    assert {op.limits for op in of(Add, golden_layer())} == {INT16_LIMITS}
    tables = [(op.function, op.numbers) for op in of(Table, golden_layer())]
    gates = ["table_sigmoid", "table_sigmoid", "table_tanh", "table_sigmoid", "table_tanh"]
    assert tables == [(name, (-12,)) for name in gates]


def test_litert_shifts_into_the_cell_and_has_tables_of_its_own() -> None:
    shares = [(op.rescale.rounding, op.rescale.numbers) for op in of(Mul, golden_layer(), LITERT)]
    assert shares[:2] == [("shift16", (15,)), ("shift16", (18,))] and shares[2][0] == "requantize"
    functions = {op.function for op in of(Table, golden_layer(), LITERT)}
    assert functions == {"fixed_sigmoid", "fixed_tanh"}


@pytest.mark.parametrize(("clip", "limit"), [(1.0, 4096), (0.3, 1228), (100.0, 32767)])
def test_a_clip_is_truncated_to_steps_of_the_cell(clip: float, limit: int) -> None:
    network = random_network("lstm", (2, 2), cell_clip=clip)
    plan = plan_of(network.layers[0].parts[0], INT8)
    scales = {**golden_layer().scales, "clipped": Scale(2.0**-12, 0, "int16")}
    (op,) = of(Clip, golden_layer(plan=plan, scales=scales, cell_clip=clip))
    assert op.limits == (-limit, limit)


def dense_layer(activation: str | None = None) -> QuantizedDense:
    weight, bias = np.array([[1, -2], [3, 4]], np.int8), np.array([5, -6], np.int32)
    ends = Scale(0.5, 7, "int8"), Scale(2.0, -10, "int8")
    return QuantizedDense("head", weight, bias, 0.25, *ends, activation)


@pytest.mark.parametrize(
    ("arithmetic", "name", "numbers"),
    [
        (TFLM, "requantize", (2**30, -3)),
        (ONNXRUNTIME, "requantize", (2**30, -3)),
        (LITERT, "requantize_float", (0.0625,)),
        (TFLITE_RUNTIME, "requantize_ties_up", (2**30, -3)),
    ],
    ids=["tflm", "onnxruntime", "litert", "tflite-runtime"],
)
def test_a_dense_layer_is_a_product_in_the_rounding_of_the_runtime(
    arithmetic: Arithmetic, name: str, numbers: tuple[Any, ...]
) -> None:
    (op,) = lower(dense_layer(), arithmetic).ops
    assert isinstance(op, Product) and (op.zero_point, op.rescale.zero_point) == (7, -10)
    assert (op.rescale.rounding, op.rescale.numbers) == (name, numbers)
    assert op.rescale.limits == INT8_LIMITS


def test_a_relu_cuts_at_the_zero_point_and_a_sigmoid_is_a_table() -> None:
    assert of(Product, dense_layer("relu"))[0].rescale.limits == (-10, 127)
    product, table = lower(dense_layer("sigmoid")).ops
    assert isinstance(table, Table) and isinstance(product, Product)
    assert (table.function, table.numbers) == ("logistic8", (2.0, -10))
    assert len(table.values) == 256 and table.values[128 - 10] == 0  # sigmoid(0) = 128 / 256
    lowered = lower(dense_layer("sigmoid"))
    assert (lowered.output.name, lowered.output.zero_point) == (table.result, -128)


def numbers_of(op: Any) -> list[str]:
    """Every field; arrays by their values."""
    values = (getattr(op, field.name) for field in dataclasses.fields(op))
    return [repr(v.tolist() if isinstance(v, np.ndarray) else v) for v in values]


def test_a_reverse_direction_has_the_list_of_a_forward_one() -> None:
    there = golden_layer()
    back = golden_layer(plan=dataclasses.replace(there.plan, name="lstm1_reverse"))
    for arithmetic in (TFLM, LITERT):
        one, other = lower(there, arithmetic), lower(back, arithmetic)
        assert [numbers_of(op) for op in one.ops] == [numbers_of(op) for op in other.ops]
        assert (one.states, one.new_states) == (other.states, other.new_states)


# ---- what has no integer form


@pytest.mark.parametrize("cell_name", sorted({*CELLS} - {*cells_of(INT8)}))
def test_a_cell_without_a_fused_form_is_refused_before_calibration(cell_name: str) -> None:
    network = random_network(cell_name, (3, 4))
    expected = f"a {cell_name} has no fused int8 form: .*; what works for it: float32"
    with pytest.raises(ModelError, match=expected):
        quantize(network, None, "int8", "fused")


@pytest.mark.parametrize(
    ("wiring", "reason"),
    [
        (lambda i, h, c: (i, c), "result of 'sigmoid' is the new output"),
        (lambda i, h, c: (i * tanh(c), i + c), "'add' has no integer form for values of different"),
        (lambda i, h, c: (i * h, c * i), "'mul' reads h, which is not int16"),
        (lambda i, h, c: (i * tanh(c), 1 - c), "'complement' has none"),
        (lambda i, h, c: ((k := i * c), k), "state h has another scale"),
    ],
)
def test_kinds_of_operations_do_not_make_an_integer_form(wiring: Any, reason: str) -> None:
    def equations(W: Any, U: Any, x: Any, h: Any, c: Any) -> Any:
        return wiring(sigmoid(W.i(x) + U.i(h)), h, c)

    layer = random_network("lstm", (2, 3)).layers[0].parts[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CELLS, "lstm", dataclasses.replace(CELLS["lstm"], equations=equations))
        plan = plan_of(layer, INT8)
    told = plan_refusal(plan)
    assert told and told.startswith("a lstm has no fused int8 form: ") and reason in told


# ---- the LSTM's kinds of operations, wired otherwise


def swapped(W: Any, U: Any, x: Any, h: Any, c: Any) -> Any:
    i = sigmoid(W.i(x) + U.i(h))
    f = sigmoid(W.f(x) + U.f(h))
    g = tanh(W.g(x) + U.g(h))
    o = sigmoid(W.o(x) + U.o(h))
    c = f * c + o * g
    return i * tanh(c), c


def swapped_by_hand(x: Any) -> Any:
    """The golden vector's numbers in plain steps, with the multipliers that TFLM stored."""
    h, c, y = np.full(2, -2), np.zeros(2, np.int64), []
    w, r, b = (np.array(v, np.int64).reshape(4, 2, -1) for v in (GOLDEN_W, GOLDEN_R, GOLDEN_B))
    for v in x.astype(np.int64):
        z = []
        for k in range(4):
            a = requantize(w[k] @ (v - 3) + b[k][:, 0], *TFLM_MULTIPLIERS["ih"][k])
            q = requantize(r[k] @ (h + 2), *TFLM_MULTIPLIERS["hh"][k])
            z.append(np.clip(np.clip(a, *INT16_LIMITS) + np.clip(q, *INT16_LIMITS), *INT16_LIMITS))
        i, f, o = (table_sigmoid(z[k]) for k in (0, 1, 3))
        kept = np.clip(requantize(f * c, 2**30, -14), *INT16_LIMITS)
        new = np.clip(requantize(o * q_tanh(z[2]), 2**30, -17), *INT16_LIMITS)
        c = np.clip(kept + new, *INT16_LIMITS)
        h = np.clip(requantize(i * q_tanh(c), 1118481092, -22) - 2, *INT8_LIMITS)
        y.append(h)
    return np.array(y)


@pytest.fixture
def swapped_network(monkeypatch: pytest.MonkeyPatch) -> QuantizedNetwork:
    spec = CellSpec("swapped", ("i", "f", "g", "o"), ("h", "c"), swapped)
    monkeypatch.setitem(CELLS, "swapped", spec)
    float_layer: Any = random_network("lstm", (2, 2)).layers[0].parts[0]
    plan = plan_of(dataclasses.replace(float_layer, cell_name="swapped"), INT8)
    return dataclasses.replace(golden_lstm(), layers=(Recurrent((golden_layer(plan=plan),)),))


INTEGERS = np.random.default_rng(5).integers(-128, 128, (1, 300, 2)).astype(np.int8)


def test_the_list_decides_what_the_engines_compute(swapped_network: QuantizedNetwork) -> None:
    expected = swapped_by_hand(INTEGERS[0])
    assert not np.array_equal(expected, run(golden_lstm(), INTEGERS, engine="reference")[0])
    for engine in ("reference", "numba"):
        assert np.array_equal(run(swapped_network, INTEGERS, engine=engine)[0], expected)


def test_the_list_decides_what_onnx_computes(swapped_network: QuantizedNetwork) -> None:
    ort = pytest.importorskip("onnxruntime", reason='pip install "edgelstm[onnx]"')
    written = encode(swapped_network, steps=1, streaming=False, target=None)[""]
    (got,) = ort.InferenceSession(written, providers=["CPUExecutionProvider"]).run(
        None, {"x": INTEGERS}
    )
    assert np.array_equal(got[0], swapped_by_hand(INTEGERS[0]))


# ---- the same bits as ever


def network_of_integers() -> QuantizedNetwork:
    """Random integers and free scales, no real arithmetic: the same on every machine."""
    rng, n = np.random.default_rng(11), 9
    float_layer: Any = random_network("lstm", (5, n)).layers[0].parts[0]
    plan = plan_of(float_layer, INT8)
    x, h = Scale(float(np.float32(0.021)), -5, "int8"), Scale(float(np.float32(0.0069)), 4, "int8")
    by_role = {"input": x, "output": h, "cell": Scale(2.0**-13, 0, "int16")}
    by_role |= {"sum": Scale(2.0**-12, 0, "int16"), "activation": Scale(2.0**-15, 0, "int16")}
    scales = [float(np.float32(s)) for s in rng.uniform(0.003, 0.02, 8)]
    names = [f"{side} {gate}" for side in ("ih", "hh") for gate in "ifgo"]
    layer = QuantizedDirection(
        plan,
        rng.integers(-127, 128, (4 * n, 5)).astype(np.int8),
        rng.integers(-127, 128, (4 * n, n)).astype(np.int8),
        rng.integers(-6000, 6000, 4 * n).astype(np.int32),
        np.zeros(4 * n, np.int32),
        dict(zip(names, scales, strict=True)),
        {value: by_role[role] for value, role in plan.roles.items()},
    )
    weight, bias = rng.integers(-127, 128, (7, n)), rng.integers(-3000, 3000, 7)
    y = Scale(float(np.float32(0.031)), 9, "int8")
    head = QuantizedDense(
        "head", weight.astype(np.int8), bias.astype(np.int32), 0.0113, h, y, "relu"
    )
    return QuantizedNetwork((Recurrent((layer,)), head))


# Of 14,000 values, as they were computed when each reader had numbers of its own.
DIGESTS = {
    "TFLM": "59db953044512bf3",
    "ONNXRUNTIME": "59db953044512bf3",
    "LITERT": "3eac6f4155541112",
    "TFLITE_RUNTIME": "b6dce0f4ac3d09fd",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_every_arithmetic_keeps_its_bits(name: str) -> None:
    x = np.random.default_rng(12).integers(-128, 128, (20, 100, 5))
    y = run_integers(network_of_integers(), x, getattr(rounding, name))
    assert hashlib.sha256(y.astype(np.int8).tobytes()).hexdigest()[:16] == DIGESTS[name]
