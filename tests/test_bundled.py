"""The bundled model is as good as its README says, in every precision."""

import importlib.resources

import numpy as np
import pytest

from edgelstm.bundled import demo, demo_data
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.fidelity import accuracy, measure_fidelity

FLOAT_ACCURACY = 361 / 370


def test_float_accuracy_is_that_of_the_training_script() -> None:
    data = demo_data()
    assert accuracy(demo(), [data.test_inputs], data.test_labels) == FLOAT_ACCURACY


@pytest.mark.parametrize("precision", ["int8", "hybrid"])
def test_quantized_accuracy_is_at_most_half_a_point_less(precision: str) -> None:
    data = demo_data()
    quantized = quantize(demo(), data.calibration, precision)
    assert accuracy(quantized, [data.test_inputs], data.test_labels) >= FLOAT_ACCURACY - 0.005
    compared = measure_fidelity(demo(), quantized, data.test_inputs)
    assert compared.snr_db is not None and compared.snr_db > 25
    assert compared.saturation == ()


def test_shorter_sequences_are_padded_in_front() -> None:
    data = demo_data()
    assert data.test_inputs.shape == (370, 29, 12) and data.test_inputs.dtype == np.float32
    assert data.test_lengths.min() == 7 and data.test_lengths.max() == 29
    for x, length in zip(data.test_inputs, data.test_lengths, strict=True):
        assert not x[: 29 - length].any() and x[29 - length].any()


def test_model_and_data_are_small() -> None:
    files = list((importlib.resources.files("edgelstm") / "data").iterdir())
    assert sum(len(f.read_bytes()) for f in files) < 1_500_000
