"""`profile` on the terminal: the answer, then what is counted, then what a device needs for it."""

from collections.abc import Iterator, Sequence
from typing import Any

from edgelstm.text import number
from edgelstm.tools import side_by_side, verdict
from edgelstm.tools.count_tables import described, print_counts, share_and_bar
from edgelstm.tools.output import Report, print_filled, print_heading, print_line
from edgelstm.tools.side_by_side import interval

RUNTIME_HEADINGS = ("", ">flash B", ">left", ">RAM B", ">left", "fits")
KERNEL_HEADINGS = ("kernels", "time", "energy", "")


def print_profiles(answers: Sequence[Report], *, explain: bool) -> None:
    """The verdict, each network once with its counts, then the device's part of a single profile.

    Args:
        answers: As `verdict` takes them.
        explain: Also what the figures stand on, and each device's part of several profiles.
    """
    if len(answers) == 1:
        _print_verdict(answers[0])
    else:
        _print_compared(answers)
    shown: list[Any] = []
    for answer in answers:
        network = answer["model"], [_sizes(layer) for layer in answer["layers"]]
        if network not in shown:
            print_counts(answer)
        shown.append(network)
        if explain and len(answers) > 1:
            print_heading(answer["device"], _kernels_and_clock(answer))
        if explain or len(answers) == 1:
            _print_device(answer, explain=explain)
    if not explain:
        verdict.print_explain()


def _print_verdict(answer: Report) -> None:
    where = f"{answer['precision']}, on {answer['device']}: {_kernels_and_clock(answer)}"
    print_heading(answer["model"], where)
    print_filled("", ("", ""), verdict.rows(answer))
    _print_assumed([answer])


def _kernels_and_clock(report: Report) -> str:
    kernels = f", kernels '{report['kernels']}'" if report["kernels"] else ""
    return f"{report['core']}, {number(report['clock_mhz'])} MHz{kernels}"


def _print_compared(answers: Sequence[Report]) -> None:
    models = dict.fromkeys(answer["model"] for answer in answers)
    print_filled(" and ".join(models), *side_by_side.compared(answers))
    print_line(f"kernels {side_by_side.kernels(answers)}")
    for reason in side_by_side.reasons(answers):
        print_line(reason)
    print_line()
    _print_assumed(answers)


def _sizes(layer: Report) -> tuple[str, str, int]:
    return layer["name"], described(layer), layer["total"]["macs"]


def _print_assumed(answers: Sequence[Report]) -> None:
    """What the file did not say: never left out."""
    texts = dict.fromkeys(text for answer in answers for text in answer["assumed"])
    for text in texts:
        print_line(f"assumed: {text}", style="dim")
    if texts:
        print_line()


# ---- one device


def _print_device(report: Report, *, explain: bool) -> None:
    print_filled("Memory", ("", ">bytes", ">of", "", ""), memory_rows(report))
    print_filled("Fit per runtime", RUNTIME_HEADINGS, runtime_rows(report))
    print_filled(
        "Traffic per step", ("", ">read B", ">write B", ">pJ, to rank"), _traffic_rows(report)
    )
    if explain:
        print_filled("Time and energy per step", ("", ""), energy_rows(report))
    print_filled("With other kernels", KERNEL_HEADINGS, kernel_rows(report))
    if report["duty"]:
        print_filled(
            f"One step every {number(report['duty']['period_ms'])} ms", ("", ""), duty_rows(report)
        )
    _print_advice(report)
    if report.get("counters") is not None:
        columns = ("tool", "version", ">prints", ">truth", "unit", "why")
        print_filled(
            "What other counters print for its recurrent layers", columns, counter_rows(report)
        )
    if explain:
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
        yield "RAM" if memory == "ram" else memory, f"{need:,}", of, *share_and_bar(share)
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
    """What the figures rest on, in sentences, beside what the file did not say."""
    follows = "the multiplications alone" if report["roofline"] else "the cycles"
    yield f"the share of a gate follows {follows}: a share of an estimate, not a measurement"
    yield f"fit: {report['fit']['basis']}"
    yield from (f"time and energy: {text}" for text in report["notes"])
    yield from (f"duty: {text}" for text in (report["duty"] or {}).get("assumed", ()))
