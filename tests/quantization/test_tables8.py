"""Tables of int8 values, by hand; runtimes are compared in tests/runtimes/test_around.py."""

import numpy as np

from edgelstm.quantization.tables8 import elu8, logistic8


def test_logistic8_is_monotone_and_symmetric_about_its_middle() -> None:
    table = logistic8(0.1, 0)
    assert (np.diff(table) >= 0).all()
    assert table[128] == 0 and table[0] == -128 and table[255] == 127


def test_elu8_is_the_rounded_function() -> None:
    table = elu8(0.1, -28, 0.05, -108)
    assert table[100] == -108  # elu(0) = 0
    assert table[110] == -88  # elu(1) = 1, twenty steps
    assert table[90] == -108 - 13  # elu(-1) = -0.632, 12.6 steps
    assert table[0] == -128 and (np.diff(table) >= 0).all()
    assert table[255] == 127  # 15.5 is beyond
