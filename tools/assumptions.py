"""What a profile rests on: each figure of the device, and each choice, with its source."""

import dataclasses

from edgelstm.cost.counts import Counts
from edgelstm.cost.cycles import law_of
from edgelstm.cost.laws import BOARD_LAWS, CLASSES, SPLIT_US, Law
from edgelstm.devices.device import Device
from edgelstm.devices.keys import FIGURES
from edgelstm.text import number


@dataclasses.dataclass(frozen=True)
class Assumption:
    """A figure or a choice: its value in words, how well it is known, and where it stands."""

    what: str
    value: str
    basis: str
    source: str


MLPERF = "MLPerf Tiny results, github.com/mlcommons/tiny_results_*"
# For every device; for microcontrollers; for boards.
ALWAYS = (
    Assumption(
        "one MAC",
        "one multiplication and one addition; muls and adds contain them",
        "derived",
        "counted from the recorded equations; biases merge where both of a gate are added",
    ),
    Assumption(
        "picojoules of traffic",
        "20 per 64 bits in 32 KB, 100 in 1 MB, 1950 in DRAM; relative, never added to energy",
        "datasheet",
        "M. Horowitz, Computing's energy problem, ISSCC 2014, fig. 1.1.9 (45 nm)",
    ),
    Assumption(
        "share of a gate",
        "follows the cycles; a share of an estimate, not a measurement",
        "derived",
        "the law of cycles, row by row",
    ),
)
MICROCONTROLLER = (
    Assumption(
        "half-width of energy",
        "14 % for a runtime that was measured, 22 % for another on the same chip",
        "derived",
        f"contains 39 points of one workload left out and 17 of one runtime left out: {MLPERF}",
    ),
)
BOARD = (
    Assumption(
        "sharing a step among cores",
        f"{SPLIT_US:g} us",
        "assumed",
        "no source: waking the others and waiting for the last; used where it gains",
    ),
    Assumption(
        "weights that stay in a cache",
        "70 % of it",
        "assumed",
        "no source: room for everything else",
    ),
    Assumption("width of power", "30 %", "assumed", "uncalibrated"),
)


def rows(device: Device, kernels: str, counts: Counts) -> tuple[Assumption, ...]:
    """One row per figure and choice."""
    found = [
        Assumption(key, _value(device, key), figure.basis, figure.source)
        for key in FIGURES
        if (figure := device.figure(key)) is not None
    ]
    if device.kind == "sbc":
        return (*_board_law(kernels), *ALWAYS, *BOARD, *found)
    return (_law(kernels, law_of(counts, kernels)), *ALWAYS, *MICROCONTROLLER, *found)


def _value(device: Device, key: str) -> str:
    figure = device.figures[key]
    ends = sorted({figure.low, figure.typical, figure.high})
    return " / ".join(map(number, ends))


def _law(kernels: str, law: Law | None) -> Assumption:
    if law is None:
        source = f"{MLPERF}; element-wise part: CMSIS-NN's"
        return Assumption("cycles", CLASSES[kernels], "measured", source)
    value = f"{law_text(law)}: {CLASSES[kernels]}"
    return Assumption("cycles", value, law.basis, law.source)


def _board_law(kernels: str) -> tuple[Assumption, ...]:
    law = BOARD_LAWS.get(kernels)
    if law is None:
        return ()
    low, typical, high = law.call_us
    value = f"a call of {low:g} / {typical:g} / {high:g} us, and the products: {CLASSES[kernels]}"
    return (Assumption("time", value, "assumed", law.source),)


def law_text(law: Law) -> str:
    """A law as people write it.

    >>> from edgelstm.cost.laws import LAWS
    >>> law_text(LAWS["cmsis-nn", "int8"])
    '2.502 MAC + 677 H + 2440'
    """
    terms = (
        (law.per_mac, " MAC"),
        (law.per_activation, " act"),
        (law.per_requantization, " R"),
        (law.per_unit or law.per_lstm_unit, " H"),
    )
    text = " + ".join(f"{n:g}{of}" for n, of in terms if n)
    return text + (f" + {law.per_layer:g}" if law.per_layer else "")
