"""How far the energy model is off: published runs, each predicted from the others.

`python -m benchmarks.bench_energy` prints the figures and ends with status 1 if one is beyond its
limit. The energy of a run is predicted as power of other runs times its own time, which is what
`estimate` does; energy per multiplication of the others is shown beside it. Published times of
recurrent networks follow, by class of kernels.
"""

import csv
import itertools
import pathlib
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from benchmarks import published

Run = dict[str, str]

TABLE = pathlib.Path(__file__).parent / "data" / "mlperf_tiny_energy.csv"
# Percent, mean and worst.
WORKLOAD_LIMITS = (4.0, 12.0)
RUNTIME_LIMITS = (9.0, 21.1)
ENVELOPES = {"workload": 0.14, "runtime": 0.22}  # half-widths of power that estimate uses


def runs() -> list[Run]:
    """The published runs."""
    lines = [line for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def by_power(run: Run, others: Sequence[Run]) -> float:
    """Mean power of the others times the run's time, in microjoules."""
    mean = statistics.fmean(float(r["energy_uj"]) * float(r["inferences_per_s"]) for r in others)
    return mean / float(run["inferences_per_s"])


def by_macs(run: Run, others: Sequence[Run]) -> float:
    """Mean energy per multiplication of the others, times the run's multiplications."""
    return statistics.fmean(float(r["energy_uj"]) / int(r["macs"]) for r in others) * int(
        run["macs"]
    )


def workload_left_out(
    rows: Iterable[Run], predict: Callable[[Run, Sequence[Run]], float]
) -> list[float]:
    """Relative error of each run predicted from the same board's and runtime's other networks."""
    return [
        predict(run, others) / float(run["energy_uj"]) - 1
        for group in _groups(rows, "release", "submitter", "board")
        for run, others in _each_and_others(group)
    ]


def runtime_left_out(rows: Iterable[Run]) -> list[float]:
    """Relative error of the power on AD, predicted from the same chip's other runtimes.

    Chips with one or two runtimes are left out: two nearly equal kits would flatter the result.
    """
    return [
        statistics.fmean(float(r["power_mw"]) for r in others) / float(run["power_mw"]) - 1
        for group in _groups(rows, "chip", "supply_v", "regulator")
        if len(group) >= 3
        for run, others in _each_and_others(group)
    ]


def half_width(errors: Iterable[float]) -> float:
    """Smallest u for which each true value lies within typical / (1 + u) .. typical * (1 + u)."""
    return max(max(1 + e, 1 / (1 + e)) for e in errors) - 1


def reference_set() -> list[Run]:
    """Plain cores among the runs that the error figures are made of."""
    return [r for r in runs() if r["in_reference_set"] == "1" and r["group"] == "cortex-m"]


def ad_runs() -> list[Run]:
    """The matrix-vector network on plain cores."""
    return [r for r in runs() if r["workload"] == "AD" and r["group"] == "cortex-m"]


def mean_percent(errors: Iterable[float]) -> float:
    """Mean magnitude in percent."""
    return 100 * statistics.fmean(abs(e) for e in errors)


def worst_percent(errors: Iterable[float]) -> float:
    """Largest magnitude in percent."""
    return 100 * max(abs(e) for e in errors)


def _groups(rows: Iterable[Run], *keys: str) -> Iterator[list[Run]]:
    def key(run: Run) -> tuple[str, ...]:
        return tuple(run[k] for k in keys)

    for _, group in itertools.groupby(sorted(rows, key=key), key):
        yield list(group)


def _each_and_others(group: Sequence[Run]) -> Iterator[tuple[Run, list[Run]]]:
    for run in group:
        others = [r for r in group if r is not run]
        if others:
            yield run, others


def main() -> int:
    """Prints the figures; 1 if a limit is exceeded."""
    workload = workload_left_out(reference_set(), by_power)
    runtime = runtime_left_out(ad_runs())
    named = (
        ("workload", "one workload left out, power", workload, WORKLOAD_LIMITS),
        ("runtime", "one runtime left out, power on AD", runtime, RUNTIME_LIMITS),
        (
            "",
            "one workload left out, pJ per MAC",
            workload_left_out(reference_set(), by_macs),
            None,
        ),
    )
    passed = True
    print(f"{'':36} points   mean %  worst %  half-width")
    for envelope, name, errors, limits in named:
        mean, worst, width = mean_percent(errors), worst_percent(errors), half_width(errors)
        print(f"{name:36} {len(errors):6} {mean:8.1f} {worst:8.1f} {width:11.3f}")
        if limits:
            inside = mean <= limits[0] and worst <= limits[1] and width <= ENVELOPES[envelope]
            passed = passed and inside
    passed = published.print_table() and passed
    print("within the limits" if passed else "BEYOND THE LIMITS")
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
