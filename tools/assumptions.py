"""What a profile rests on: each figure of the device, and each choice, with its source."""

from typing import Any

from edgelstm.cycles import KERNELS
from edgelstm.device import FIGURES, Device
from edgelstm.figures import number

MLPERF = "MLPerf Tiny results, github.com/mlcommons/tiny_results_*"
LAW = "instructions executed on an emulated Cortex-M4 times the cycles of its manual"
KERNEL_SOURCES = {
    "published": f"lowest, median and highest of all published runtimes on this core: {MLPERF}; "
    "element-wise part: that of CMSIS-NN, 677 cycles per unit on a Cortex-M4, scaled",
    "cmsis-nn": f"2.502 MAC + 677 H + 2440 cycles: {LAW}",
    "portable": f"8 MAC + 356 H cycles: {LAW}",
    "edgelstm": f"1.38 MAC + 251 H cycles: {LAW}",
}
assert set(KERNEL_SOURCES) == set(KERNELS)

# What, value, basis, source. For every device; for microcontrollers; for boards.
ALWAYS = (
    (
        "one MAC",
        "one multiplication and one addition; muls and adds contain them",
        "derived",
        "counted from the recorded equations; biases merge where both of a gate are added",
    ),
    (
        "picojoules of traffic",
        "20 per 64 bits in 32 KB, 100 in 1 MB, 1950 in DRAM; relative, never added to energy",
        "datasheet",
        "M. Horowitz, Computing's energy problem, ISSCC 2014, fig. 1.1.9 (45 nm)",
    ),
    (
        "share of a gate",
        "follows the cycles; a share of an estimate, not a measurement",
        "derived",
        "the law of cycles, row by row",
    ),
)
MICROCONTROLLER = (
    (
        "half-width of energy",
        "14 % for a runtime that was measured, 22 % for another on the same chip",
        "derived",
        f"contains 39 points of one workload left out and 17 of one runtime left out: {MLPERF}",
    ),
)
BOARD = (
    ("time of a call", "1 us", "assumed", "no source: measure it on the machine"),
    (
        "weights that stay in a cache",
        "70 % of it",
        "assumed",
        "no source: room for everything else",
    ),
    ("width of time", "a factor of 2 both ways", "assumed", "uncalibrated"),
    ("width of power", "30 %", "assumed", "uncalibrated"),
)


def rows(device: Device, kernels: str) -> list[dict[str, Any]]:
    """One row per figure and choice: what, value, basis, source."""
    found = [
        (key, _value(device, key), figure.basis, figure.source)
        for key in FIGURES
        if (figure := device.figure(key)) is not None
    ]
    if device.kind == "sbc":
        chosen = [*ALWAYS, *BOARD]
    else:
        law = ("cycles", f"kernels '{kernels}'", "derived", KERNEL_SOURCES[kernels])
        chosen = [law, *ALWAYS, *MICROCONTROLLER]
    names = ("what", "value", "basis", "source")
    return [dict(zip(names, row, strict=True)) for row in (*chosen, *found)]


def _value(device: Device, key: str) -> str:
    figure = device.figures[key]
    ends = sorted({figure.low, figure.typical, figure.high})
    return " / ".join(map(number, ends))
