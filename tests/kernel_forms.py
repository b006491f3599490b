"""Networks in every form that has a fused kernel, for the tests of tests/kernels/."""

from typing import Any

import pytest

from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network


def every_form(sizes: tuple[int, ...] = (7, 40, 21)) -> list[Any]:
    lstm = random_network("lstm", sizes, outputs=3)
    calibration = random_input(lstm, 4, 9)
    return [
        lstm,
        quantize(lstm, calibration),
        quantize(lstm, None, "hybrid"),
        random_network("gru", sizes, outputs=3),
        random_network("gru_reset_before", sizes),
        random_network("lstm_peephole", sizes),
        quantize(random_network("gru", sizes), None, "hybrid"),
        quantize(random_network("gru", sizes), calibration, "int8"),
    ]


FORM_NAMES = (
    "float32",
    "int8",
    "hybrid",
    "gru",
    "gru_reset_before",
    "lstm_peephole",
    "hybrid gru",
    "int8 gru",
)


LATER = ("gru_reset_before", "lstm_peephole")  # which take longest to compile


FORMS = pytest.mark.parametrize(
    "network",
    [
        pytest.param(form, id=name, marks=pytest.mark.slow if name in LATER else ())
        for name, form in zip(FORM_NAMES, every_form(), strict=True)
    ],
)
