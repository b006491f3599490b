"""Tables and a plot of what `bench_networks` measured.

python -m benchmarks.network_report FILE.json [PLOT.png]
"""

import json
import pathlib
import sys
from typing import Any

from benchmarks.report import markdown_row, pyplot

TITLES = {"step": "one step", "sequence": "a whole sequence"}
MARKS = "os^Dv"  # of edgelstm, then of its peers


def about(found: dict[str, Any]) -> str:
    """What the figures belong to, in one line."""
    machine = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    cached = all(result["kernels_cached"] for result in found["results"].values())
    kernels = "from the cache" if cached else "compiled in this run"
    load = "unknown" if machine["load"] is None else f"{machine['load']:.1f}"
    return (
        f"{machine['cpu']}, code for {machine['code_for']}, {machine['instruction_set']}; "
        f"one core, one thread, {found['rounds']} rounds, load {load}; "
        f"our kernels {kernels}; {versions}"
    )


def tables(found: dict[str, Any]) -> str:
    """Every table as Markdown, and what was left out."""
    lines = [about(found)]
    for mode in TITLES:
        lines += table(found, mode)
    lines += two_layers(found)
    told = [
        f"- left out: {result['title']}: {what}"
        for result in found["results"].values()
        for what in result["left_out"]
    ]
    return "\n".join([*lines, *(["", *told] if told else [])])


def table(found: dict[str, Any], mode: str) -> list[str]:
    """A row per network and format."""
    rows = _rows(found, mode)
    peers = _peers(rows)
    lines = ["", f"### {TITLES[mode]}: us from NumPy array to NumPy array", ""]
    heads = ["format", "edgelstm", "bound", *peers]
    heads += ["best peer / ours", "95 % interval", "best peer"]
    lines += [markdown_row("network", heads)]
    lines.append("|---|---|" + "---:|" * (len(peers) + 4) + "---|")
    for result, row in rows:
        title = result["title"] + (f" ({result['steps']} steps)" if mode == "sequence" else "")
        bound = result["bounds_us"]["float32" if row["name"] == "float32" else "int8"][mode]
        times = [row["ours_us"], bound, *(row["peers_us"].get(peer) for peer in peers)]
        cells = [row["name"], *map(_us, times)]
        if "ratio" in row:
            interval = f"{row['low']:.2f}-{row['high']:.2f}"
            cells += [f"**{row['ratio']:.2f}**", interval, row["best"]]
        else:
            cells += ["-"] * 3
        lines.append(markdown_row(title, cells))
    return lines


def two_layers(found: dict[str, Any]) -> list[str]:
    """What a second layer costs beside its own time."""
    lines = ["", "### two layers, LSTM 40 -> 64 -> 64, beside both of them alone: us", ""]
    heads = ["format", "both", "first", "second", "both - first - second", "95 % interval"]
    lines += [markdown_row("", heads), "|---|---|" + "---:|" * 5]
    for row in found["two_layers"]:
        times = map(_us, (row["both_us"], *row["alone_us"]))
        more = f"**{row['more_us']:+.2f}**", f"{row['low']:+.2f} to {row['high']:+.2f}"
        lines.append(markdown_row(TITLES[row["mode"]], [row["name"], *times, *more]))
    return lines


def _rows(found: dict[str, Any], mode: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each with its network."""
    return [
        (result, row)
        for result in found["results"].values()
        for row in result["rows"]
        if row["mode"] == mode
    ]


def _peers(rows: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[str]:
    return sorted({peer for _, row in rows for peer in row["peers_us"]})


def _us(time: float | None) -> str:
    if time is None:
        return "-"
    return f"{time:.2f}" if time < 10 else f"{time:,.1f}" if time < 100 else f"{time:,.0f}"


def plot(found: dict[str, Any], path: pathlib.Path) -> None:
    """Times on a logarithmic axis, a line per network and format, with the ratio beside it."""
    figures = pyplot()
    every = _peers([row for mode in TITLES for row in _rows(found, mode)])
    styles = {
        runtime: {"marker": mark, "color": f"C{k}"}
        for k, (runtime, mark) in enumerate(zip(("edgelstm", *every), MARKS, strict=False))
    }
    counts = [max(1, len(_rows(found, mode))) for mode in TITLES]
    figure, axes = figures.subplots(1, 2, figsize=(17, 1.8 + 0.3 * max(counts)))
    for axis, mode in zip(axes, TITLES, strict=True):
        rows = _rows(found, mode)
        for k, (_, row) in enumerate(rows):
            times = {"edgelstm": row["ours_us"], **row["peers_us"]}
            axis.plot([min(times.values()), max(times.values())], [k, k], color="#d0d7de", zorder=1)
            for runtime, time in times.items():
                axis.scatter(time, k, **styles[runtime], zorder=2)
            if "ratio" in row:
                told = f"  {row['ratio']:.2f}x"
                axis.text(1, k, told, transform=axis.get_yaxis_transform(), va="center")
        names = [f"{r['title'].split(',')[0]} | {row['name']}" for r, row in rows]
        axis.set_yticks(range(len(rows)), names, fontsize=8)
        axis.set_xscale("log")
        axis.invert_yaxis()
        axis.set_xlabel("microseconds; beside each line: best peer / edgelstm")
        axis.set_title(TITLES[mode])
    marks = [
        figures.Line2D([], [], linestyle="", label=runtime, **style)
        for runtime, style in styles.items()
    ]
    axes[0].legend(handles=marks, loc="lower right", fontsize=8)
    figure.suptitle("{cpu}, {instruction_set}, one thread".format(**found["machine"]))
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    figures.close(figure)


if __name__ == "__main__":
    measured = json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8"))
    print(tables(measured))
    for target in sys.argv[2:]:
        plot(measured, pathlib.Path(target))
