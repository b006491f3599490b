"""What a written .tflite file holds, read with LiteRT's generated schema and its interpreter."""

from typing import Any

import numpy as np

from edgelstm.layers.directions import parts
from edgelstm.quantization.quantized_dense import QuantizedDense
from edgelstm.quantization.quantized_direction import QuantizedDirection
from edgelstm.quantization.quantizer import quantize
from edgelstm.quantization.scales import Scale
from tests.networks import random_network
from tests.present import imported
from tests.tflite_files import STEPS, Litert, Tflm, content_of, int8

schema = imported("litert", "ai_edge_litert.schema_py_generated")


def parsed(content: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(content, 0)


def operators(content: bytes) -> list[tuple[str, int]]:
    """Names and versions, by LiteRT's own schema."""
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    model = parsed(content)
    codes = [(names[c.builtinCode], c.version) for c in model.operatorCodes]
    return [codes[op.opcodeIndex] for op in model.subgraphs[0].operators]


def tensors(content: bytes) -> dict[str, Any]:
    graph = parsed(content).subgraphs[0]
    assert len({t.name for t in graph.tensors}) == len(graph.tensors)
    return {t.name.decode(): t for t in graph.tensors}


def scale_of(tensor: Any) -> tuple[float, int]:
    return tensor.quantization.scale.item(), tensor.quantization.zeroPoint.item()


def test_file_holds_fused_operators_alone() -> None:
    network = random_network(
        sizes=(5, 8, 6), outputs=4, activation="softmax", last_step=True, seed=15
    )
    expected = [("UNIDIRECTIONAL_SEQUENCE_LSTM", 1)] * 2 + [
        ("STRIDED_SLICE", 1),
        ("FULLY_CONNECTED", 1),
        ("SOFTMAX", 1),
    ]
    assert operators(content_of(network)) == expected
    hybrid = quantize(network, None, "hybrid")
    expected[0] = expected[1] = ("UNIDIRECTIONAL_SEQUENCE_LSTM", 3)
    expected[3] = ("FULLY_CONNECTED", 3)
    assert operators(content_of(hybrid)) == expected
    assert operators(content_of(int8(network))) == [
        *expected[:2],
        ("STRIDED_SLICE", 2),
        ("FULLY_CONNECTED", 4),
    ]
    per_step = random_network(outputs=4, activation="sigmoid", seed=16)
    assert operators(content_of(int8(per_step)))[1:] == [("FULLY_CONNECTED", 5), ("LOGISTIC", 2)]


def test_file_names_its_tensors_and_its_signature() -> None:
    network = random_network(outputs=4, activation="sigmoid", last_step=True, seed=17)
    content = content_of(int8(network))
    model = parsed(content)
    gates = "ifgo"
    expected = (
        ["x"]
        + [f"lstm1/weight_{side}_{g}" for side in ("ih", "hh") for g in gates]
        + [f"lstm1/bias_{g}" for g in gates]
        + ["lstm1/h", "lstm1/c"]
        + [f"lstm1/sum_{g}" for g in gates]
        + ["lstm1/hidden", "lstm1/output"]
        + [f"last_step/{name}" for name in ("begin", "end", "strides", "output")]
        + ["dense1/weight", "dense1/bias", "dense1/linear", "y"]
    )
    assert list(tensors(content)) == expected
    (signature,) = model.signatureDefs
    assert signature.signatureKey == b"serving_default"
    graph = model.subgraphs[0]
    ends = [(end.name, end.tensorIndex) for end in (*signature.inputs, *signature.outputs)]
    assert ends == [(b"x", graph.inputs.item()), (b"y", graph.outputs.item())]
    assert model.description == b"edgelstm: int8, 7 steps"
    (entry,) = model.metadata
    assert entry.name == b"min_runtime_version"
    assert model.buffers[entry.buffer].data.tobytes() == b"2.14.0".ljust(16, b"\0")
    assert content[4:8] == b"TFL3" and model.version == 3 and model.buffers[0].data is None


def test_constants_are_aligned_to_16_bytes() -> None:
    content = content_of(int8(random_network(sizes=(3, 5), outputs=2, seed=18)))
    for buffer in parsed(content).buffers[1:]:
        assert any(
            content[k : k + buffer.data.size] == buffer.data.tobytes()
            for k in range(0, len(content), 16)
        )


def test_int8_tensors_have_the_scales_of_the_network() -> None:
    qnetwork = int8(random_network(sizes=(5, 8), outputs=4, activation="sigmoid", seed=19))
    lstm, dense = parts(qnetwork.layers)
    assert isinstance(lstm, QuantizedDirection) and isinstance(dense, QuantizedDense)
    found = tensors(content_of(qnetwork))
    x, h, c = (lstm.scales[v] for v in ("x", "h", "c"))
    assert dense.linear is not None
    expected: dict[str, Scale] = {
        "x": x,
        **dict.fromkeys(("lstm1/h", "lstm1/output", "lstm1/hidden"), h),
        "lstm1/c": c,
        **{f"lstm1/sum_{g}": Scale(2.0**-12, 0, "int16") for g in "ifgo"},
        **{
            f"lstm1/bias_{g}": Scale(lstm.weight_scales[f"ih {g}"] * x.scale, 0, "") for g in "ifgo"
        },
        "dense1/weight": Scale(dense.weight_scale, 0, "int8"),
        "dense1/bias": Scale(dense.weight_scale * h.scale, 0, "int32"),
        "dense1/linear": dense.linear,
        "y": Scale(1 / 256, -128, "int8"),
    }
    for side in ("ih", "hh"):
        for g in "ifgo":
            scale = Scale(lstm.weight_scales[f"{side} {g}"], 0, "int8")
            expected[f"lstm1/weight_{side}_{g}"] = scale
    # Products of two short scales are exact in float32.
    got = {name: scale_of(found[name]) for name in expected}
    assert got == {name: (scale.scale, scale.zero_point) for name, scale in expected.items()}
    variables = [name for name, tensor in found.items() if tensor.isVariable]
    assert variables == ["lstm1/h", "lstm1/c"]


def test_interpreters_see_shapes_and_types() -> None:
    network = random_network(outputs=4, last_step=True, seed=20)
    for each, kind in ((network, np.float32), (int8(network), np.int8)):
        content = content_of(each)
        opened = Litert(content).interpreter
        assert opened.get_signature_list() == {
            "serving_default": {"inputs": ["x"], "outputs": ["y"]}
        }
        (x,), (y,) = opened.get_input_details(), opened.get_output_details()
        assert (x["name"], x["shape"].tolist(), x["dtype"]) == ("x", [1, STEPS, 5], kind)
        assert (y["name"], y["shape"].tolist(), y["dtype"]) == ("y", [1, 4], kind)
        details = Tflm(content).interpreter.get_output_details(0)
        assert (list(details["shape"]), details["dtype"]) == ([1, 4], kind)


def test_int8_lstm_of_64_units_stays_below_34_kilobytes() -> None:
    content = content_of(int8(random_network(sizes=(40, 64), seed=21)))
    assert len(content) <= 26_624 + 8 * 1024
