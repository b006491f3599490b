"""Time of an inference, by hand from the time of its steps and of its call."""

import dataclasses

import pytest

from edgelstm.cost.boards import board_time
from edgelstm.cost.count_ops import count
from edgelstm.cost.cycles import Interval
from edgelstm.cost.energy import estimate
from edgelstm.cost.inference import inference_us
from edgelstm.devices.device import read_device
from edgelstm.model.sizes import shapes

NETWORK = shapes("lstm", 12, 48, outputs=9)


def test_a_microcontroller_takes_as_long_as_its_steps() -> None:
    counts, device = count(NETWORK, precision="int8"), read_device("stm32u575")
    energy = dataclasses.replace(estimate(counts, device), latency_us=Interval(350, 700, 1400))
    assert inference_us(counts, device, energy, 29) == Interval(10_150, 20_300, 40_600)
    energy = dataclasses.replace(energy, latency_us=Interval(350, None, 1400))
    assert inference_us(counts, device, energy, 2) == Interval(700, None, 2800)


@pytest.mark.parametrize("kernels", ["interpreter-python", "edgelstm"])
def test_a_raspberry_pi_is_called_once(kernels: str) -> None:
    counts, device = count(NETWORK, precision="hybrid"), read_device("rpi-4b")
    energy = estimate(counts, device, kernels)
    one, many = (inference_us(counts, device, energy, steps) for steps in (1, 1000))
    step = energy.latency_us
    assert step is not None and one is not None and many is not None
    for end in ("low", "typical", "high"):
        assert getattr(one, end) == pytest.approx(getattr(step, end))
    # 11,952 MACs at the rate of the cores, without a call: what each step adds.
    bound = board_time(counts, device, kernels, 1800, 1).roofline
    each = 11_952 / bound.macs_per_us
    assert one.typical is not None
    assert many.typical == pytest.approx(one.typical + 999 * each)
    assert many.high < 1000 * step.high


def test_what_a_step_takes_is_not_known() -> None:
    counts, device = count(NETWORK, precision="int8"), read_device("rp2040")
    energy = dataclasses.replace(estimate(counts, device), latency_us=None)
    assert inference_us(counts, device, energy, 29) is None
