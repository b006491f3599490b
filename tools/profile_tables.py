"""`profile` on the terminal: one row per gate beside its equation, then the cell, then totals."""

from collections.abc import Iterator, Sequence
from typing import Any

from edgelstm.equations import equations
from edgelstm.figures import counted, number, percent
from edgelstm.tools import side_by_side
from edgelstm.tools.output import Report, print_heading, print_line, print_table
from edgelstm.tools.side_by_side import interval

OPERATIONS = ("macs", "adds", "muls", "sigmoids", "tanhs", "requantizations")
BYTES = (
    *("weight_bytes", "bias_bytes", "input_read_bytes", "state_read_bytes", "state_write_bytes"),
)
OPERATION_HEADINGS = (">MACs", ">adds", ">muls", ">sigmoid", ">tanh", ">rescale")
BYTE_HEADINGS = (">weight B", ">bias B", ">x read B", ">state read B", ">written B")
RUNTIME_HEADINGS = ("", ">flash B", ">left", ">RAM B", ">left", "fits")
KERNEL_HEADINGS = ("kernels", "time", "energy", "")
BAR = 20


def print_profiles(reports: Sequence[Report]) -> None:
    """Each network once with its counts, each device's memory, time and energy, and all beside."""
    shown: list[Any] = []
    for report in reports:
        if report["layers"] not in shown:
            _print_counts(report)
        shown.append(report["layers"])
        _print_device(report)
    if len(reports) > 1:
        _print("Side by side", ("", *side_by_side.columns(reports)), side_by_side.compared(reports))


def _print_counts(report: Report) -> None:
    stored = f"{report['parameters']:,} stored parameters"
    print_heading(report["model"], f"{report['precision']}, {stored}, per step")
    shares = _shares(report)
    for layer in report["layers"]:
        title = f"{layer['name']}: {described(layer)}"
        rows = [(row, label) for row, label in labelled(layer)]
        _print(title, ("", *OPERATION_HEADINGS), (_cells(row, x, OPERATIONS) for row, x in rows))
        _print(
            f"{layer['name']}: bytes, and the share of time and energy of {report['device']}",
            ("", *BYTE_HEADINGS, ">share", ""),
            (
                (
                    *_cells(row, row["name"], BYTES),
                    *_share(shares.get((layer["name"], row["name"]))),
                )
                for row, _ in rows
            ),
        )
    if len(report["layers"]) > 1:
        totals = [*((x["total"], x["name"]) for x in report["layers"]), (report["total"], "total")]
        _print_totals("All layers", totals)
    sequence = report["sequence"]
    if sequence:
        totals = [(x["total"], x["name"]) for x in sequence["layers"]]
        totals.append((sequence["total"], "total"))
        _print_totals(f"A sequence of {counted(sequence['steps'], 'step')}", totals)


def _print_totals(title: str, rows: Sequence[tuple[Report, str]]) -> None:
    for suffix, headings, keys in (
        ("", OPERATION_HEADINGS, OPERATIONS),
        (": bytes", BYTE_HEADINGS, BYTES),
    ):
        _print(title + suffix, ("", *headings), (_cells(row, x, keys) for row, x in rows))


def described(layer: Report) -> str:
    """`lstm 40 -> 64`."""
    return f"{layer['cell_name'] or 'dense'} {layer['input_size']} -> {layer['hidden_size']}"


def labelled(layer: Report) -> Iterator[tuple[Report, str]]:
    """Each row of a layer, and its equations."""
    if layer["cell_name"]:
        texts = equations(layer["cell_name"], projected=layer["cell"]["macs"] > 0)
    else:
        texts = {"cell": ("y = activation(W x + b)",)}
    for row in (*layer["gates"], layer["cell"]):
        yield row, "\n".join(texts[row["name"]])
    yield layer["total"], "total"


def _cells(row: Report, label: str, keys: Sequence[str]) -> tuple[str, ...]:
    return label, *(f"{row[key]:,}" for key in keys)


def _shares(report: Report) -> dict[tuple[str, str], float]:
    """(layer, row) to its share of time and energy, totals too."""
    shares = {(s["layer"], s["row"]): s["share"] for s in report["shares"] or ()}
    for layer, share in [(layer, share) for (layer, _), share in shares.items()]:
        shares[layer, "total"] = shares.get((layer, "total"), 0.0) + share
    return shares


def _share(share: float | None) -> tuple[str, str]:
    return ("-", "") if share is None else (percent(share), bar(share))


def bar(share: float) -> str:
    """A bar of at most `BAR` characters; half characters count.

    >>> bar(0.5), bar(0.02)
    ('██████████', '▌')
    """
    halves = round(2 * BAR * min(share, 1.0))
    return "█" * (halves // 2) + "▌" * (halves % 2)


# ---- one device


def _print_device(report: Report) -> None:
    clock = f"{number(report['clock_mhz'])} MHz"
    kernels = f", kernels '{report['kernels']}'" if report["kernels"] else ""
    print_heading(report["device"], f"{report['core']}, {clock}{kernels}")
    _print("Memory", ("", ">bytes", ">of", "", ""), memory_rows(report))
    _print("Fit per runtime", RUNTIME_HEADINGS, runtime_rows(report))
    _print("Traffic per step", ("", ">read B", ">write B", ">pJ, to rank"), _traffic_rows(report))
    _print("Time and energy per step", ("", ""), energy_rows(report))
    _print("With other kernels", KERNEL_HEADINGS, kernel_rows(report))
    if report["duty"]:
        _print(
            f"One step every {number(report['duty']['period_ms'])} ms", ("", ""), duty_rows(report)
        )
    _print_advice(report)
    if report.get("counters") is not None:
        columns = ("tool", "version", ">prints", ">truth", "unit", "why")
        _print("What other counters print for its recurrent layers", columns, counter_rows(report))
    for text in notes(report):
        print_line(f"note: {text}", style="dim")
    print_line()


def memory_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """What flash and RAM hold, and of how much."""
    fit = report["fit"]
    for memory in ("flash", "ram"):
        need, available = fit[f"{memory}_bytes"], fit[f"{memory}_available_bytes"]
        for part in report["memory"]:
            if part["memory"] == memory and part["size_bytes"] is not None:
                yield f"  {part['name']}", f"{part['size_bytes']:,}", "", "", ""
        if need is None:
            continue
        share = need / available if available else None
        of = "size not known" if share is None else f"{available:,}"
        yield "RAM" if memory == "ram" else memory, f"{need:,}", of, *_share(share)
    yield "fits", {True: "yes", False: "NO", None: "not known"}[fit["fits"]], "", "", ""


def runtime_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """Flash and RAM with each runtime, and what is left of the device's."""
    for found in report["runtimes"]:
        cells = [found["runtime"]]
        for memory in ("flash", "ram"):
            need, available = found[f"{memory}_bytes"], found[f"{memory}_available_bytes"]
            cells.append(f"{need:,}")
            cells.append("-" if available is None else f"{available - need:,}")
        yield *cells, {True: "yes", False: "NO", None: "not known"}[found["fits"]]


def _traffic_rows(report: Report) -> Iterator[tuple[str, ...]]:
    for level in report["traffic"]:
        energy = level["energy_pj"]
        priced = "no figure" if energy is None else number(energy)
        yield level["level"], f"{level['read_bytes']:,}", f"{level['write_bytes']:,}", priced


def energy_rows(report: Report) -> Iterator[tuple[str, str]]:
    """Time, energy and basis, or the reason why they are not known."""
    yield "time", interval(report["latency_us"], "us")
    yield side_by_side.energy_name(report), interval(report["energy_uj"], "uJ")
    if report["energy_net_uj"]:
        yield "energy above idle", interval(report["energy_net_uj"], "uJ")
    for reason in dict.fromkeys((report["latency_reason"], report["energy_reason"])):
        if reason:
            yield "not known because", reason
    if report["basis"]:
        yield "basis", report["basis"]
    if report["file_reason"]:
        yield "file", report["file_reason"]
    roofline = report["roofline"]
    if roofline:
        yield "limited by", f"{roofline['limit']}: {roofline_text(roofline)}"


def kernel_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """Time and energy with each class of kernels; none where one was asked for."""
    for row in report["by_kernels"]:
        time = row["latency_reason"] or interval(row["latency_us"], "us")
        yield row["kernels"], time, interval(row["energy_uj"], "uJ"), row["what"]


def roofline_text(roofline: Report) -> str:
    """Both sides of a roofline in microseconds."""
    computing = roofline["macs"] / roofline["macs_per_us"]
    reading = roofline["missed_bytes"] / roofline["bytes_per_us"]
    return (
        f"{number(computing)} us to multiply, {number(reading)} us to read "
        f"{roofline['missed_bytes']:,} B from RAM"
    )


def duty_rows(report: Report) -> Iterator[tuple[str, str]]:
    """Duty cycle, then average power and life for each way of waiting."""
    duty = report["duty"]
    share = {k: None if v is None else 100 * v for k, v in duty["duty_cycle"].items()}
    yield "duty cycle", interval(share, "%")
    yield "keeps up", {True: "yes", False: "NO", None: "not certain"}[duty["keeps_up"]]
    for way in duty["waiting"]:
        name = f"waiting {way['sleep']}" + (f" ({way['mode']})" if way["mode"] else "")
        if way["reason"]:
            yield name, f"not known: {way['reason']}"
            continue
        yield name, f"{interval(way['average_mw'], 'mW')} on average, {way['basis']}"
        if way["life_days"]:
            life = interval(way["life_days"], "days")
            yield f"  {duty['battery']['name']}", life
        if way["slow_clock_average_mw"]:
            slow = interval(way["slow_clock_average_mw"], "mW")
            yield f"  at {number(duty['slowest_clock_mhz'])} MHz", f"{slow} on average"


def _print_advice(report: Report) -> None:
    if report["advice"]:
        print_line("What would help", style="bold")
    for advice in report["advice"]:
        print_line(f"{advice['technique']}  [{advice['mark']}]")
        print_line(advice["effect"], style="dim", indent=4)
    print_line()


def counter_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """One row per tool."""
    for found in report["counters"]:
        printed = "-" if found["prints"] is None else f"{found['prints']:,}"
        why = found["reason"] or found["why"]
        yield found["tool"], found["version"], printed, f"{found['truth']:,}", found["unit"], why


def notes(report: Report) -> Iterator[str]:
    """What the figures rest on, in sentences."""
    yield from (f"assumed: {text}" for text in report["assumed"])
    follows = "the multiplications alone" if report["roofline"] else "the cycles"
    yield f"the share of a gate follows {follows}: a share of an estimate, not a measurement"
    yield f"fit: {report['fit']['basis']}"
    yield from (f"time and energy: {text}" for text in report["notes"])
    yield from (f"duty: {text}" for text in (report["duty"] or {}).get("assumed", ()))


def _print(title: str, columns: Sequence[str], rows: Any) -> None:
    found = list(rows)
    if found:
        print_table(title, columns, found)
        print_line()
