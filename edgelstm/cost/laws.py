"""LAWS: cycles of a step by whose code computes it, each with its width, its chips and its source.

A class of kernels is one law in MACs, activations and units, and a factor per chip that was
measured. The points behind them stand in `benchmarks/data/published_rnn.csv`; `python
-m benchmarks.bench_energy` fits them again and leaves each out in turn.
"""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Law:
    """Cycles of a step on a Cortex-M4.

    ``per_mac * MACs + per_activation * A + per_requantization * R + per_unit * H + per_layer`` for
    each recurrent layer, A its sigmoids and tanhs, R its requantizations; ``per_lstm_unit * H`` is
    an LSTM's, of other cells the share of their element-wise operations. A dense layer of O outputs
    has ``per_output * O`` in place of all but the products. Another chip needs a factor more.

    Attributes:
        half_width: A factor of 1 + half_width either way, where the law holds; None: the device's
            own figure.
        factors: Chip to its time over the law's, from published runs on it.
        cores: On which the law holds without such a factor; elsewhere it is scaled.
        n_points: Published runs behind it.
        wait_key: The device's figure for what flash wait states add; "" where none is known.
        basis: How well it is known on those chips and cores.
        source: Where it comes from.
    """

    per_mac: float
    per_activation: float = 0.0
    per_requantization: float = 0.0
    per_unit: float = 0.0
    per_lstm_unit: float = 0.0
    per_layer: float = 0.0
    per_output: float = 0.0
    half_width: float | None = None
    factors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    cores: tuple[str, ...] = ()
    n_points: int = 0
    wait_key: str = ""
    basis: str = "derived"
    source: str = ""


EDGEMARK = "EdgeMark (arXiv 2502.01700), github.com/AminHasanpour/EdgeMark"
TINYML = "github.com/lbedogni/tinyMLproject, raw runs"
EMULATED = "instructions executed on an emulated Cortex-M4 times the cycles of its manual"

# What a class is, for people.
CLASSES = {
    "tflm": "TensorFlow Lite Micro, its reference kernels",
    "tflm-unrolled": "TensorFlow Lite Micro with CMSIS-NN, a graph of small operations per step",
    "cmsis-nn": "CMSIS-NN's own LSTM, also within TensorFlow Lite Micro",
    "portable": "portable C of the same arithmetic",
    "edgelstm": "edgelstm's own kernels",
    "interpreter-python": "an interpreter of TensorFlow Lite or ONNX, called from Python",
    "published": "good int8 kernels: the published runtimes on this core",
}
KERNELS = tuple(CLASSES)

_CORES = ("cortex-m4", "cortex-m33")
_EVERY_CELL = "eight cells in eight sizes"
PER_OUTPUT = 20.0  # cycles of a dense layer's output in the emulated laws; assumed


def _own(law: Law, found: str) -> Law:
    """One of edgelstm's own kernels, as `benchmarks/bench_cores.py` fits it."""
    return dataclasses.replace(
        law,
        wait_key="speed.flash_wait_fraction_edgelstm",
        source=f"{EMULATED}: {found} (`benchmarks/bench_cores.py`)",
        cores=_CORES,
        per_output=PER_OUTPUT,
    )


# By class, and by `float32`, `int8`, or a precision and the form of its integers.
LAWS: dict[tuple[str, str], Law] = {
    ("tflm", "float32"): Law(
        13.3,
        291,
        half_width=0.2,
        factors={
            "STM32L4R5": 1.0,
            "nRF52840": 2.58,
            "RX65N": 0.927,
            "ESP32": 2.37,
            "ESP8266": 10.3,
        },
        n_points=14,
        source=f"{EDGEMARK}: LSTM, GRU, RNN on an STM32L4R5 (-O3) and an RX65N; {TINYML}: LSTMs on "
        "an Arduino Nano 33 BLE (its own core and flags), an ESP32, an ESP8266 (no float unit)",
    ),
    ("tflm", "int8"): Law(
        8.0,
        per_lstm_unit=356,
        half_width=1.0,
        factors={"ESP8266": 5.23},
        cores=_CORES,
        n_points=1,
        basis="assumed",
        source="that of portable C of the same arithmetic; no published run of a fused LSTM in "
        f"int8 says its sizes but one on an ESP8266 ({TINYML})",
    ),
    ("tflm-unrolled", "int8"): Law(
        4.04,
        1854,
        half_width=0.25,
        factors={"STM32L4R5": 1.0, "RX65N": 1.15},
        n_points=7,
        source=f"{EDGEMARK}: LSTM, GRU, RNN on an STM32L4R5 with CMSIS-NN and an RX65N without",
    ),
    ("cmsis-nn", "int8"): Law(
        2.502,
        per_lstm_unit=677,
        per_layer=2440,
        n_points=6,
        wait_key="speed.flash_wait_fraction_cmsis_nn",
        source=f"{EMULATED}; held against NNoM with CMSIS-NN on an STM32L476",
        cores=_CORES,
        per_output=PER_OUTPUT,
    ),
    ("portable", "int8"): Law(
        8.0,
        per_lstm_unit=356,
        n_points=1,
        source=f"{EMULATED}; held against NNoM in plain C on an STM32L476",
        cores=_CORES,
        per_output=PER_OUTPUT,
    ),
    ("edgelstm", "int8"): _own(Law(1.229, per_lstm_unit=172), "LSTMs of eight sizes within 1.2 %"),
    ("edgelstm", "int8 composed"): _own(
        Law(1.256, per_requantization=5.77, per_unit=32.7), f"{_EVERY_CELL} within 6 %"
    ),
    ("edgelstm", "int16x8 composed"): _own(
        Law(1.485, per_requantization=6.17, per_unit=42.9), f"{_EVERY_CELL} within 8 %"
    ),
}


@dataclasses.dataclass(frozen=True)
class CallLaw:
    """Time of a step on a Raspberry Pi in one class of kernels: a call, and the products.

    Attributes:
        call_us: Microseconds of one call, low, typical, high, on a board that multiplies
            `reference_macs_per_us` at best; others in proportion. The call of `edgelstm` is the
            device's own where it is calibrated.
        macs_per_cycle: By precision, of that board; None: the device's own figures.
        half_width: Of the products: a factor of 1 + half_width either way.
        n_points: Published runs behind it.
        source: Where it comes from.
    """

    call_us: tuple[float, float, float]
    reference_macs_per_us: float | None
    macs_per_cycle: Mapping[str, float] | None
    half_width: float
    n_points: int
    source: str


A53_MACS_PER_CYCLE, PI_3B_PLUS_MHZ = 2, 1400
# A board that has it was measured by `bench --calibrate`, with our kernels alone.
MEASURED_WIDTH = "speed.time_half_width_percent"

BOARD_LAWS = {
    "interpreter-python": CallLaw(
        (40.0, 684.0, 1368.0),
        A53_MACS_PER_CYCLE * PI_3B_PLUS_MHZ,
        {"hybrid": 0.649, "int8": 0.649, "float32": 0.0854},
        half_width=1.0,
        n_points=5,
        source="DTLN on a Raspberry Pi 3 B+, two calls a block: github.com/breizhn/DTLN and "
        "github.com/SaneBow/PiDTLN; their calls hold FFTs in NumPy, so the low end is a plain "
        "call from Python (assumed); int8 is taken to be as fast as hybrid (assumed)",
    ),
    "edgelstm": CallLaw(
        (10.0, 20.0, 40.0),
        None,
        None,
        half_width=1.0,
        n_points=0,
        source="a call from Python, 10 to 40 us, and half or less of the SIMD peak: assumed; "
        "measure both on the machine",
    ),
}
BOARD_KERNELS = tuple(BOARD_LAWS)
SPLIT_US = 10.0  # of sharing a step among cores: waking them and waiting for the last; assumed

LSTM_OPERATIONS = 8  # sigmoids, tanhs and element-wise products of one LSTM unit
# Medians of published runtimes on a Cortex-M4: what other cores compare to.
M4_CYCLES_PER_MAC = {"int8": 3.44, "float32": 9.5}
SCALED_HALF_WIDTH = 2.0  # a factor of 3: contains the runs of each chip that is left out
M4_CHIPS = ("STM32L4R5", "nRF52840")  # those of `factors` with a Cortex-M4
FLOAT32_HALF_WIDTH = 0.5  # of `published`; assumed
WITHOUT_FPU = ("cortex-m0plus", "cortex-m3", "rv32imc", "xtensa-lx106")


def usual_kernels(precision: str, cells: tuple[str, ...], *, board: bool) -> str:
    """The class of kernels that people run such a network with.

    Args:
        precision: Key of `PRECISIONS`.
        cells: Names of its recurrent layers' cells.
        board: Whether the device is a Raspberry Pi.

    >>> usual_kernels("int8", ("lstm",), board=False), usual_kernels("int8", ("gru",), board=False)
    ('tflm', 'tflm-unrolled')
    """
    if board:
        return "interpreter-python"
    fused = precision == "float32" or all(cell == "lstm" for cell in cells)
    return "tflm" if fused else "tflm-unrolled"


def side_by_side(kernels: str, precision: str) -> tuple[str, ...]:
    """The classes that stand beside one: TFLM is built with CMSIS-NN or without, and so on.

    >>> side_by_side("tflm", "int8")
    ('tflm', 'cmsis-nn', 'published')
    """
    if precision == "float32":
        return ("tflm", "published")
    return ("tflm", "cmsis-nn", "published") if kernels == "tflm" else (kernels, "published")
