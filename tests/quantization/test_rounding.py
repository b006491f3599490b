"""What runtimes round to 8 bits in a hybrid network, worked out by hand.

Within 1e-12: steps such as 0.01 are no exact float64.
"""

import numpy as np

from edgelstm.quantization.rounding import rounded8, rounded_unsigned8


def test_signed_values_are_whole_steps_of_the_largest_over_127() -> None:
    got = rounded8(np.array([[1.27, -0.504, 0.004], [-254.0, 3.1, 0.9]]))
    assert np.allclose(got, [[1.27, -0.50, 0.0], [-254.0, 4.0, 0.0]], atol=1e-12)
    assert rounded8(np.zeros((2, 3))).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_unsigned_values_are_whole_steps_between_the_ends_and_zero_is_one() -> None:
    got = rounded_unsigned8(np.array([[-1.0, 0.273, 1.55], [5.1, 0.029, 2.55]]))
    assert np.allclose(got, [[-1.0, 0.27, 1.55], [5.1, 0.02, 2.56]], atol=1e-12)
    assert np.allclose(rounded_unsigned8(np.array([-2.55, -0.013])), [-2.55, -0.01], atol=1e-12)
    assert rounded_unsigned8(np.zeros(3)).tolist() == [0, 0, 0]


def test_one_step_may_serve_several_axes() -> None:
    x = np.array([[[1.27, 0.004]], [[0.02, -0.013]]])
    assert np.allclose(rounded8(x, (0, -1)), [[[1.27, 0.0]], [[0.02, -0.01]]], atol=1e-12)
    y = np.array([[[2.55, 0.004]], [[0.02, 0.013]]])
    assert np.allclose(rounded_unsigned8(y, (0, -1)), [[[2.55, 0.0]], [[0.02, 0.01]]], atol=1e-12)
