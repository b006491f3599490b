"""Published times of recurrent networks, each predicted from the others of its class of kernels."""

import csv
import dataclasses
import math
import pathlib
import statistics
from collections.abc import Iterator, Sequence

import numpy as np

from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.cycles import law_cycles, scaled_factor
from edgelstm.cost.laws import BOARD_LAWS, LAWS, SCALED_HALF_WIDTH, Law
from edgelstm.devices.device import read_device
from edgelstm.model.network import Network
from edgelstm.model.sizes import shapes
from tests.shapes import dense, one

DATA = pathlib.Path(__file__).parent / "data"
REFERENCE = "stm32l4r5"  # on which the laws of TFLM are fitted; other chips have a factor


@dataclasses.dataclass(frozen=True)
class Run:
    """One published time.

    Attributes:
        kernels, precision, device, model: What ran where.
        counts: Of a step, one per layer; none where only the MACs are known.
        macs: Of a step.
        calls: Of an interpreter, per step.
        cycles: Of a step.
    """

    kernels: str
    precision: str
    device: str
    model: str
    counts: tuple[Counts, ...]
    macs: int
    calls: int
    cycles: float


@dataclasses.dataclass(frozen=True)
class Left:
    """A run that was left out: measured over predicted; inside: within the width of its class."""

    group: str
    name: str
    ratio: float
    inside: bool


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a table in `data`."""
    lines = [line for line in (DATA / name).read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def runs() -> list[Run]:
    """All published times whose sizes are known."""
    return [_run(row) for row in rows("published_rnn.csv")]


def _run(row: dict[str, str]) -> Run:
    layers = [_layer(text) for text in row["layers"].split("; ") if text]
    counts = tuple(count(layer, precision=row["precision"]) for layer in layers)
    macs = int(row["macs"] or sum(c.total.macs for c in counts))
    cycles = float(row["time_ms"]) * float(row["clock_mhz"]) * 1000 / int(row["steps"])
    where = row["kernels"], row["precision"], row["device"], row["model"]
    return Run(*where, counts, macs, int(row["calls"] or 0), cycles)


def _layer(text: str) -> Network:
    kind, inputs, outputs = text.split()
    sizes = int(inputs), int(outputs)
    return one(dense(*sizes)) if kind == "dense" else shapes(kind, *sizes)


def by_law(run: Run, law: Law) -> float:
    """What a law gives for a run, on the chip that it was found on."""
    return sum(law_cycles(counts, law) for counts in run.counts)


def fit(found: Sequence[Run]) -> Law:
    """Cycles per MAC and activation, by least squares of relative errors."""
    matrix = [
        [run.macs / run.cycles, sum(_activations(c) for c in run.counts) / run.cycles]
        for run in found
    ]
    per_mac, per_activation = np.linalg.lstsq(np.array(matrix), np.ones(len(found)))[0]
    return Law(float(per_mac), float(per_activation))


def _activations(counts: Counts) -> int:
    return counts.total.sigmoids + counts.total.tanhs


def factor(found: Sequence[Run], law: Law) -> float:
    """A chip's time over the law's: the geometric mean of its runs."""
    return math.exp(statistics.fmean(math.log(run.cycles / by_law(run, law)) for run in found))


def fit_calls(found: Sequence[Run]) -> tuple[float, float]:
    """Cycles per call and per MAC of an interpreter, as `fit`."""
    matrix = [[run.calls / run.cycles, run.macs / run.cycles] for run in found]
    per_call, per_mac = np.linalg.lstsq(np.array(matrix), np.ones(len(found)))[0]
    return float(per_call), float(per_mac)


def left_out() -> Iterator[Left]:
    """Each run, predicted from the others; those that nothing predicts are not in it."""
    every = runs()
    for run in every:
        others = [r for r in every if _group(r) == _group(run) and r is not run]
        typical = _predicted(run, others)
        if typical is not None:
            yield _left(_group(run), run.model, run.cycles / typical, _half_width(run))
    yield from _good_kernels()


def chip_left_out() -> Iterator[Left]:
    """TFLM's float32 on each chip with a float unit, predicted without any run on that chip."""
    every = [run for run in runs() if run.kernels == "tflm" and run.precision == "float32"]
    for run in every:
        if run.device == "esp8266":
            continue
        law = LAWS["tflm", "float32"]
        factors = law.factors.items()
        chip = read_device(run.device).texts["chip"]
        kept = dataclasses.replace(law, factors={k: v for k, v in factors if k != chip})
        typical = by_law(run, kept) * scaled_factor(read_device(run.device), kept, "float32")
        yield _left("tflm float32", run.model, run.cycles / typical, SCALED_HALF_WIDTH)


def _group(run: Run) -> str:
    return f"{run.kernels} {run.precision}"


def _half_width(run: Run) -> float:
    if run.kernels in BOARD_LAWS:
        return BOARD_LAWS[run.kernels].half_width
    own = LAWS[run.kernels, run.precision].half_width
    return own or read_device(run.device).figures["speed.half_width_percent"].typical / 100


def _predicted(run: Run, others: Sequence[Run]) -> float | None:
    """Cycles; None where no run is left to predict from."""
    if run.kernels in BOARD_LAWS:
        if len(others) < 2:
            return None
        per_call, per_mac = fit_calls(others)
        return per_call * run.calls + per_mac * run.macs
    law = LAWS[run.kernels, run.precision]
    if not law.factors:  # found on an emulated core, not fitted to runs
        return by_law(run, law)
    if law.per_activation:
        law = fit([r for r in others if r.device == REFERENCE])
    here = [r for r in others if r.device == run.device]
    if run.device == REFERENCE:
        return by_law(run, law)
    return by_law(run, law) * factor(here, law) if here else None


def _good_kernels() -> Iterator[Left]:
    """AD on each core, within lowest and highest of its other runs; the ratio is to the median."""
    table = rows("mlperf_tiny_ad_latency.csv")
    for row in table:
        others = [
            float(r["cycles_per_mac"]) for r in table if r["core"] == row["core"] and r is not row
        ]
        if len(others) < 2:
            continue
        got = float(row["cycles_per_mac"])
        inside = min(others) <= got <= max(others)
        yield Left("published int8", row["runtime"], got / statistics.median(others), inside)


def _left(group: str, name: str, ratio: float, half_width: float) -> Left:
    return Left(group, name, ratio, max(ratio, 1 / ratio) <= 1 + half_width)


def table(found: Sequence[Left]) -> Iterator[tuple[str, int, float, float, float]]:
    """Per class: points, share inside, bias (geometric mean of measured over predicted), worst."""
    for group in sorted({left.group for left in found}):
        own = [left for left in found if left.group == group]
        ratios = [left.ratio for left in own]
        bias = math.exp(statistics.fmean(map(math.log, ratios)))
        share = sum(left.inside for left in own) / len(own)
        yield group, len(own), share, bias, max(max(r, 1 / r) for r in ratios)


def one_sided(found: Sequence[Left]) -> list[str]:
    """Classes of at least three points that are all above, or all below, what was predicted."""
    groups = sorted({left.group for left in found})
    sides = {g: [left.ratio > 1 for left in found if left.group == g] for g in groups}
    return [g for g, above in sides.items() if len(above) >= 3 and len(set(above)) == 1]


def print_table() -> bool:
    """Prints the table; whether at least 80 % lie inside and no class is off on one side."""
    found = list(left_out())
    print(f"\n{'published times, one left out':36} points  inside %    bias   worst")
    for group, n, share, bias, worst in table(found):
        print(f"{group:36} {n:6} {100 * share:9.0f} {bias:7.2f} {worst:7.2f}")
    for group, n, share, bias, worst in table(list(chip_left_out())):
        print(
            f"{group + ', its chip left out':36} {n:6} {100 * share:9.0f} {bias:7.2f} {worst:7.2f}"
        )
    share = statistics.fmean(left.inside for left in found)
    print(f"{'all':36} {len(found):6} {100 * share:9.0f}")
    for group in one_sided(found):
        print(f"{group}: all on one side of what was predicted")
    return share >= 0.8 and not one_sided(found)
