"""`profile` on the terminal: the answer, then what is counted, then what a device needs for it."""

from collections.abc import Iterable, Iterator, Sequence

from edgelstm.cost.boards import Roofline
from edgelstm.cost.counts import LayerCounts
from edgelstm.cost.cycles import Interval
from edgelstm.cost.duty import Duty
from edgelstm.cost.energy import Energy
from edgelstm.cost.laws import CLASSES
from edgelstm.cost.other_tools import Foreign
from edgelstm.cost.traffic import Traffic
from edgelstm.cost.variants import Advice
from edgelstm.text import number
from edgelstm.tools import side_by_side, verdict
from edgelstm.tools.count_tables import described, print_counts, share_and_bar
from edgelstm.tools.output import print_filled, print_heading, print_line
from edgelstm.tools.profile_report import ProfileReport, RuntimeFit
from edgelstm.tools.side_by_side import FITS, converted, interval

RUNTIME_HEADINGS = ("", ">flash B", ">left", ">RAM B", ">left", "fits")
KERNEL_HEADINGS = ("kernels", "time", "energy", "")


def print_profiles(reports: Sequence[ProfileReport], *, explain: bool) -> None:
    """The verdict, each network once with its counts, then the device's part of a single profile.

    Args:
        reports: A network or two, on any number of devices.
        explain: Also what the figures stand on, and each device's part of several profiles.
    """
    if len(reports) == 1:
        _print_verdict(reports[0])
    else:
        _print_compared(reports)
    shown: list[tuple[str, list[tuple[str, str, int]]]] = []
    for report in reports:
        network = report.answer.model, [_sizes(layer) for layer in report.counts.layers]
        if network not in shown:
            print_counts(report)
        shown.append(network)
        if explain and len(reports) > 1:
            print_heading(report.answer.device, _kernels_and_clock(report))
        if explain or len(reports) == 1:
            _print_device(report, explain=explain)
    if not explain:
        verdict.print_explain()


def _print_verdict(report: ProfileReport) -> None:
    answer = report.answer
    where = f"{answer.precision}, on {answer.device}: {_kernels_and_clock(report)}"
    print_heading(answer.model, where)
    print_filled("", ("", ""), verdict.rows(answer))
    _print_assumed(report.assumed)


def _kernels_and_clock(report: ProfileReport) -> str:
    energy = report.answer.energy
    kernels = f", kernels '{energy.kernels}'" if energy.kernels else ""
    return f"{report.core}, {number(report.clock_mhz)} MHz{kernels}"


def _print_compared(reports: Sequence[ProfileReport]) -> None:
    answers = [report.answer for report in reports]
    models = dict.fromkeys(answer.model for answer in answers)
    print_filled(" and ".join(models), *side_by_side.compared(answers))
    print_line(f"kernels {side_by_side.kernels(answers)}")
    for reason in side_by_side.reasons(answers):
        print_line(reason)
    print_line()
    _print_assumed(text for report in reports for text in report.assumed)


def _sizes(layer: LayerCounts) -> tuple[str, str, int]:
    return layer.name, described(layer), layer.total.macs


def _print_assumed(assumed: Iterable[str]) -> None:
    """What the file did not say: never left out, and each once."""
    texts = dict.fromkeys(assumed)
    for text in texts:
        print_line(f"assumed: {text}", style="dim")
    if texts:
        print_line()


# ---- one device


def _print_device(report: ProfileReport, *, explain: bool) -> None:
    duty = report.answer.energy.duty
    print_filled("Memory", ("", ">bytes", ">of", "", ""), memory_rows(report))
    print_filled("Fit per runtime", RUNTIME_HEADINGS, runtime_rows(report.runtimes))
    print_filled(
        "Traffic per step", ("", ">read B", ">write B", ">pJ, to rank"), _traffic(report.traffic)
    )
    if explain:
        print_filled("Time and energy per step", ("", ""), energy_rows(report))
    print_filled("With other kernels", KERNEL_HEADINGS, kernel_rows(report.by_kernels))
    if duty:
        print_filled(f"One step every {number(duty.period_ms)} ms", ("", ""), duty_rows(duty))
    _print_advice(report.advice)
    if report.counters is not None:
        columns = ("tool", "version", ">prints", ">truth", "unit", "why")
        print_filled(
            "What other counters print for its recurrent layers",
            columns,
            counter_rows(report.counters),
        )
    if explain:
        for text in notes(report):
            print_line(f"note: {text}", style="dim")
        print_line()


def memory_rows(report: ProfileReport) -> Iterator[tuple[str, ...]]:
    """What flash and RAM hold, and of how much."""
    fit = report.answer.fit
    for name, need, available in verdict.fit_by_memory(fit):
        for part in report.memory:
            if part.memory == name.lower() and part.size_bytes is not None:
                yield f"  {part.name}", f"{part.size_bytes:,}", "", "", ""
        if need is None:
            continue
        share = need / available if available else None
        of = "size not known" if share is None else f"{available:,}"
        yield name, f"{need:,}", of, *share_and_bar(share)
    yield "fits", FITS[fit.fits], "", "", ""


def runtime_rows(runtimes: Sequence[RuntimeFit]) -> Iterator[tuple[str, ...]]:
    """Flash and RAM with each runtime, and what is left of the device's."""
    for found in runtimes:
        cells = [found.runtime]
        for _, need, available in verdict.fit_by_memory(found.fit):
            cells.append("-" if need is None else f"{need:,}")
            cells.append("-" if need is None or available is None else f"{available - need:,}")
        yield *cells, FITS[found.fit.fits]


def _traffic(levels: Sequence[Traffic]) -> Iterator[tuple[str, ...]]:
    for level in levels:
        priced = "no figure" if level.energy_pj is None else number(level.energy_pj)
        yield level.level, f"{level.read_bytes:,}", f"{level.write_bytes:,}", priced


def energy_rows(report: ProfileReport) -> Iterator[tuple[str, str]]:
    """Time, energy and basis, or the reason why they are not known."""
    answer, energy = report.answer, report.answer.energy
    yield "time", interval(energy.latency_us, "us")
    yield side_by_side.energy_name(answer), interval(energy.energy_uj, "uJ")
    if energy.energy_net_uj:
        yield "energy above idle", interval(energy.energy_net_uj, "uJ")
    for reason in dict.fromkeys((energy.latency_reason, energy.energy_reason)):
        if reason:
            yield "not known because", reason
    if energy.basis:
        yield "basis", energy.basis
    if answer.file_reason:
        yield "file", answer.file_reason
    if report.roofline:
        yield "limited by", f"{report.roofline.limit}: {roofline_text(report.roofline)}"


def kernel_rows(estimates: Sequence[Energy]) -> Iterator[tuple[str, ...]]:
    """Time and energy with each class of kernels; none where one was asked for."""
    for found in estimates:
        time = found.latency_reason or interval(found.latency_us, "us")
        yield found.kernels, time, interval(found.energy_uj, "uJ"), CLASSES[found.kernels]


def roofline_text(roofline: Roofline) -> str:
    """Both sides of a roofline in microseconds."""
    computing_us = roofline.macs / roofline.macs_per_us
    reading_us = roofline.missed_bytes / roofline.bytes_per_us
    return (
        f"{number(computing_us)} us to multiply, {number(reading_us)} us to read "
        f"{roofline.missed_bytes:,} B from RAM"
    )


def duty_rows(duty: Duty) -> Iterator[tuple[str, str]]:
    """Duty cycle, then average power and life for each way of waiting."""
    yield "duty cycle", interval(converted(duty.duty_cycle, lambda share: 100 * share), "%")
    yield "keeps up", {True: "yes", False: "NO", None: "not certain"}[duty.keeps_up]
    for way in duty.waiting:
        name = f"waiting {way.sleep}" + (f" ({way.mode})" if way.mode else "")
        if way.reason:
            yield name, f"not known: {way.reason}"
            continue
        yield name, f"{interval(way.average_mw, 'mW')} on average, {way.basis}"
        if way.life_days and duty.battery:
            yield f"  {duty.battery.name}", interval(way.life_days, "days")
        if way.slow_clock_average_mw:
            yield _at_slowest(duty.slowest_clock_mhz, way.slow_clock_average_mw)


def _at_slowest(clock_mhz: float | None, average_mw: Interval) -> tuple[str, str]:
    assert clock_mhz is not None
    return f"  at {number(clock_mhz)} MHz", f"{interval(average_mw, 'mW')} on average"


def _print_advice(found: Sequence[Advice]) -> None:
    if found:
        print_line("What would help", style="bold")
    for advice in found:
        print_line(f"{advice.technique}  [{advice.mark}]")
        print_line(advice.effect, style="dim", indent=4)
    print_line()


def counter_rows(counters: Sequence[Foreign]) -> Iterator[tuple[str, ...]]:
    """One row per tool."""
    for found in counters:
        printed = "-" if found.prints is None else f"{found.prints:,}"
        why = found.reason or found.why
        yield found.tool, found.version, printed, f"{found.truth:,}", found.unit, why


def notes(report: ProfileReport) -> Iterator[str]:
    """What the figures rest on, in sentences, beside what the file did not say."""
    energy = report.answer.energy
    follows = "the multiplications alone" if report.roofline else "the cycles"
    yield f"the share of a gate follows {follows}: a share of an estimate, not a measurement"
    yield f"fit: {report.answer.fit.basis}"
    yield from (f"time and energy: {text}" for text in energy.notes)
    yield from (f"duty: {text}" for text in (energy.duty.assumed if energy.duty else ()))
