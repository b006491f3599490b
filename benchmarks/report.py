"""Tables and a plot of what `bench_kernels` measured.

python -m benchmarks.report benchmarks/results/kernels_zen4.json      the ratios to the best peer
"""

import json
import math
import pathlib
import sys
from typing import Any

MODES = ("float32", "int8", "hybrid", "gru")
RUNS = ("sequence", "step")
NAMES = {"gru": "GRU float32"}
# Whose limit: weights are float32, or int8.
FORM = {"float32": "float32", "gru": "float32", "int8": "int8", "hybrid": "int8"}
GATES = {"gru": 3 / 4}  # of an LSTM's weights
# int8 reads and gives integers, hybrid real values: a user of int8 may pick either form's peers.
RIVALS = {"int8": ("int8", "hybrid")}


def rows(result: dict[str, Any], mode: str, run: str, side: str) -> list[dict[str, Any]]:
    """The rows of one table."""
    modes = RIVALS.get(mode, (mode,)) if side == "peer" else (mode,)
    return [
        r for r in result["rows"] if r["mode"] in modes and r["run"] == run and r["side"] == side
    ]


def best(result: dict[str, Any], mode: str, run: str, side: str) -> dict[str, Any] | None:
    """The fastest of a side."""
    return min(rows(result, mode, run, side), key=lambda r: r["median_us"], default=None)


def ratio(result: dict[str, Any], mode: str, run: str, side: str) -> float:
    """The fastest of a side / ours; NaN where there is none."""
    mine, other = best(result, mode, run, "ours"), best(result, mode, run, side)
    return other["median_us"] / mine["median_us"] if mine and other else float("nan")


def bound(result: dict[str, Any], mode: str, run: str) -> float:
    """Microseconds."""
    return float(result["bounds_us"][FORM[mode]][run] * GATES.get(mode, 1))


def tables(found: dict[str, Any]) -> str:
    """Every table as Markdown."""
    about = found["machine"]
    lines = [
        f"{about['cpu']}, code for {about['code_for']}, {about['instruction_set']}; "
        f"one thread, load {about['load']:.1f}"
    ]
    for run in RUNS:
        for mode in MODES:
            lines += _table(found["results"], mode, run)
    return "\n".join(lines)


def summary(found: dict[str, Any]) -> str:
    """How many times the fastest peer's time is ours, for each mode and size, as Markdown."""
    results = found["results"]
    lines = [markdown_row("best peer / ours", [*_sizes(results), "mean"])]
    lines.append("|---|" + "---:|" * (len(results) + 1))
    for run, told in (("sequence", "sequence of 100"), ("step", "single step")):
        for mode in MODES:
            ratios = [ratio(r, mode, run, "peer") for r in results]
            cells = [f"{v:.2f}" for v in (*ratios, _mean(ratios))]
            lines.append(markdown_row(f"{NAMES.get(mode, mode)}, {told}", cells))
    return "\n".join(lines)


def _mean(ratios: list[float]) -> float:
    """The geometric one."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def _sizes(results: list[dict[str, Any]]) -> list[str]:
    return [f"({i}, {h})" for i, h in (r["size"] for r in results)]


def _table(results: list[dict[str, Any]], mode: str, run: str) -> list[str]:
    lines = ["", f"### {mode}, {run}: us per step (tenth fastest to tenth slowest round)", ""]
    lines += [markdown_row("", _sizes(results)), "|---|" + "---:|" * len(results)]
    for side in ("ours", "extra", "plain", "peer"):
        for one in rows(results[0], mode, run, side):
            cells = [_figure(r, one["name"], run) for r in results]
            lines.append(markdown_row(one["name"], cells))
    lines.append(markdown_row("bound", [f"{bound(r, mode, run):.3f}" for r in results]))
    mine = [best(r, mode, run, "ours") for r in results]
    over = [m["median_us"] / bound(r, mode, run) for m, r in zip(mine, results, strict=True) if m]
    lines.append(markdown_row("ours / bound", [f"{v:.2f}" for v in over]))
    for side, name in (("plain", "best plain loops / ours"), ("peer", "best peer / ours")):
        ratios = [ratio(r, mode, run, side) for r in results]
        if ratios[0] == ratios[0]:
            name += f" (geometric mean {_mean(ratios):.2f})" if len(ratios) > 1 else ""
            lines.append(markdown_row(name, [f"**{v:.2f}**" for v in ratios]))
    return lines


def markdown_row(name: str, cells: list[str]) -> str:
    """A row of a table."""
    return "| " + " | ".join([name, *cells]) + " |"


def _figure(result: dict[str, Any], name: str, run: str) -> str:
    found = [r for r in result["rows"] if r["name"] == name and r["run"] == run]
    if not found:
        return "-"
    return "{median_us:.3g} ({p10_us:.3g}-{p90_us:.3g})".format(**found[0])


def pyplot() -> Any:
    """matplotlib's, or the line that installs it."""
    try:
        from matplotlib import pyplot as found
    except ImportError:
        raise SystemExit('a plot needs matplotlib: pip install "edgelstm[plots]"') from None
    return found


def plot(found: dict[str, Any], path: pathlib.Path) -> None:
    """Time per step over the hidden size, both on log scales, with the bound drawn in."""
    figures = pyplot()
    results = found["results"]
    hidden = [r["size"][1] for r in results]
    figure, axes = figures.subplots(len(RUNS), len(MODES), figsize=(16, 8), sharex=True)
    for line, run in zip(axes, RUNS, strict=True):
        for axis, mode in zip(line, MODES, strict=True):
            for side, style in (("ours", "o-"), ("plain", "x:"), ("peer", "s--")):
                for one in rows(results[0], mode, run, side):
                    times = [_median(r, one["name"], run) for r in results]
                    axis.loglog(hidden, times, style, label=one["name"])
            axis.loglog(hidden, [bound(r, mode, run) for r in results], "k-", label="bound")
            axis.set_title(f"{mode}, {run}")
            axis.set_xticks(hidden, [str(h) for h in hidden])
            axis.legend(fontsize=6)
            axis.set_xlabel("hidden size" if run == RUNS[-1] else "")
        line[0].set_ylabel("us per step")
    figure.suptitle("{cpu}, {instruction_set}, one thread".format(**found["machine"]))
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def _median(result: dict[str, Any], name: str, run: str) -> float:
    return next(
        (r["median_us"] for r in result["rows"] if r["name"] == name and r["run"] == run),
        float("nan"),
    )


if __name__ == "__main__":
    print(summary(json.loads(pathlib.Path(sys.argv[1]).read_text())))
