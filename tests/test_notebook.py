"""What notebooks show of a session, a device and a verification: short, and no markup of others."""

import dataclasses

import numpy as np
import pytest

from edgelstm.devices.device import device_names, read_device
from edgelstm.execution.session import Session
from edgelstm.layers.recurrent import Recurrent
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.results import Verification, Verified
from tests.networks import random_network

ODD = "<script>\x1b&"
SHOWN = "&lt;script&gt;\\x1b&amp;"
RAN = Verified(f"/tmp/{ODD}.onnx", "onnxruntime", "ok", None, 1152, 0, 0.0, 0.0)


def test_a_session_shows_what_it_computes() -> None:
    network = random_network("lstm", (5, 8), outputs=3)
    layer = network.layers[0]
    assert isinstance(layer, Recurrent)
    layer = Recurrent((dataclasses.replace(layer.forward, name=ODD),))
    odd = dataclasses.replace(network, layers=(layer, *network.layers[1:]))
    shown = Session(odd, batch=4, engine="reference")._repr_html_()
    assert "Session: float32, 5 inputs, 3 outputs, 4 sequences side by side" in shown
    assert f"{SHOWN}: lstm 5 -&gt; 8" in shown and "<script" not in shown
    assert shown.count("<tr>") == 3
    quantized = quantize(network, np.ones((2, 9, 5), np.float32))
    assert (
        "Session: int8, 5 inputs, 3 outputs<"
        in Session(quantized, engine="reference")._repr_html_()
    )


@pytest.mark.parametrize("name", device_names())
def test_a_device_shows_each_figure_with_its_basis(name: str) -> None:
    device = read_device(name)
    shown = device._repr_html_()
    assert f"{name}: {device.core}" in shown and len(shown) < 4000
    for key, figure in device.figures.items():
        assert f">{key}</th>" in shown and f">{figure.basis}</td>" in shown
    assert SHOWN in dataclasses.replace(device, name=ODD)._repr_html_()


def test_a_verification_shows_files_and_what_differs() -> None:
    shown = Verification((RAN,))._repr_html_()
    assert "Nothing differs in 1,152 values" in shown and ">1,152</td>" in shown
    assert f">{SHOWN}.onnx</th>" in shown and "<script" not in shown
    crashed = dataclasses.replace(RAN, status="crashed", reason=ODD, values=0, mismatches=None)
    shown = Verification((crashed,))._repr_html_()
    assert "Failed" in shown and f"crashed: {SHOWN}" in shown and ">-</td>" in shown
    skipped = dataclasses.replace(crashed, status="skipped")
    assert "Nothing was compared" in Verification((skipped,))._repr_html_()
