"""What `bench` says on the terminal, and `bench --csv`."""

import csv
import io
from collections.abc import Iterator

from edgelstm.measurement.advice import advise
from edgelstm.measurement.results import COLUMNS, Machine, Result, Run, row
from edgelstm.printable import cell
from edgelstm.text import counted, number, percent
from edgelstm.tools.output import print_filled, print_heading, print_line, print_table

HEADINGS = (
    *("engine", "engine_version", "precision", "mode", "steps", "threads", "median_us_per_step"),
    *("p5_us", "p95_us", "p99_us", "cpu_us_per_step", "batch", "rounds", "verdict"),
    *(f"ratio_to_best_{end}" for end in ("low", "typical", "high")),
    *(f"predicted_us_{end}" for end in ("low", "typical", "high")),
    *("predicted_inside", "predicted_reason"),
    *("period_ms", "paced_p50_us", "paced_p99_us", "paced_max_us", "missed"),
    *("energy_uj_per_step_median", "energy_uj_per_step_deviation", "energy_reason"),
)
MUCH_DRAM = 0.3  # of the power above idle
JITTER = ("engine", "precision", ">p50, us", ">p99", ">most")
ENERGY = ("engine", "precision", "domain", ">uJ", ">+-", ">above idle, uJ", "source")
SKIPPED = ("engine", "precision", "reason")


def print_run(run: Run) -> None:
    """The machine, a row per engine, precision and mode, and what else to know."""
    rounds = max((result.timing.rounds for result in run.results), default=0)
    steps = max((result.steps for result in run.results), default=0)
    processes = counted(len(run.processes), "process")
    told = f"{counted(rounds, 'round')} in {processes}, sequences of {counted(steps, 'step')}"
    print_heading(run.model, f"{told}, {machine_text(run.machine)}")
    print_table("", COLUMNS, map(row, run.results))
    print_line()
    print_filled("Steps singly", JITTER, jitter_rows(run))
    print_filled("Energy per step", ENERGY, energy_rows(run))
    print_filled("Not measured", SKIPPED, skipped_rows(run))
    for text in run.warnings:
        print_line(f"warning: {text}", whole=True)
    for text in notes(run):
        print_line(f"note: {text}", style="dim")
    if advice := advise(run):
        print_line(advice, style="bold")


def machine_text(found: Machine) -> str:
    """Board, processor, Python and clock, as far as they are known."""
    parts: list[str | None] = [found.board, found.cpu, f"Python {found.python}"]
    frequency = found.frequency_mhz.after
    if isinstance(frequency, float):
        parts.append(f"{number(frequency)} MHz")
    if found.interpreter_bits == 32:
        parts.append("32 bits")
    return ", ".join(part for part in parts if part)


def jitter_rows(run: Run) -> Iterator[tuple[str, ...]]:
    """Of `JITTER`: steps timed singly."""
    for result in run.results:
        if found := result.jitter:
            times = (found.p50_us, found.p99_us, found.max_us)
            yield (result.engine, result.precision, *map(number, times))


def energy_rows(run: Run) -> Iterator[tuple[str, ...]]:
    """Of `ENERGY`: a row per engine, precision and domain that was measured."""
    for result in run.results:
        found = result.energy
        if found.energy_uj_per_step is None:
            continue
        domains = {"all": (found.energy_uj_per_step, found.energy_net_uj_per_step)}
        for name, rail in (found.rails or {}).items():
            domains[name] = rail.energy_uj_per_step, rail.energy_net_uj_per_step
        for name, (gross, net) in domains.items():
            yield (
                *(result.engine, result.precision, name),
                *(number(gross.median), number(gross.deviation)),
                number(net.median) if net else "-",
                found.power_source or "-",
            )


def skipped_rows(run: Run) -> Iterator[tuple[str, ...]]:
    """Reasons once, with all precisions that they are of."""
    together: dict[tuple[str, str], list[str]] = {}
    for one in run.skipped:
        told = one.reason if one.status == "skipped" else f"{one.status}: {one.reason}"
        what = " ".join(part for part in (one.precision, one.mode) if part)
        together.setdefault((one.engine, told), []).append(what)
    for (engine, reason), precisions in together.items():
        yield engine, ", ".join(part for part in precisions if part) or "all", reason


def notes(run: Run) -> Iterator[str]:
    """What the figures are, and why there is no prediction or no energy."""
    paced = next((result.paced for result in run.results if result.paced), None)
    if paced:
        yield (
            f"us per step are in a loop; alone: a step that comes every {number(paced.period_ms)} "
            "ms, with cold caches"
        )
    reasons = dict.fromkeys(
        result.predicted.predicted_reason
        for result in run.results
        if result.predicted.predicted_reason
    )
    yield from (f"no prediction: {reason}" for reason in reasons)
    for result in run.results:
        if share := _dram_share(result):
            yield f"{result.engine} {result.precision}: of the power above idle DRAM takes {share}"
    energies = dict.fromkeys(r.energy.energy_reason for r in run.results if run.power)
    yield from (f"no energy: {reason}" for reason in energies if reason)


def _dram_share(result: Result) -> str | None:
    """Where a meter tells both; a large share is asked about."""
    net = result.energy.energy_net_uj_per_step
    dram = (result.energy.rails or {}).get("dram")
    if net is None or dram is None or dram.energy_net_uj_per_step is None or net.median <= 0:
        return None
    share = dram.energy_net_uj_per_step.median / net.median
    asked = "; is that so? A copy that streams took 7 % elsewhere" if share > MUCH_DRAM else ""
    return f"{percent(share)}{asked}"


def render_csv(run: Run) -> str:
    """One table, a row per engine, precision and mode."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADINGS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for result in run.results:
        writer.writerow({key: cell(value) for key, value in _flat(result).items()})
    return text.getvalue()


def _flat(result: Result) -> dict[str, object]:
    """Every number by its heading."""
    found = result.to_dict()
    for name in ("ratio_to_best", "predicted_us"):
        found |= {f"{name}_{end}": value for end, value in (found[name] or {}).items()}
    paced = found["paced"] or {}
    found |= {f"paced_{key}": value for key, value in paced.items()} | paced
    energy = found["energy_uj_per_step"] or {}
    return found | {f"energy_uj_per_step_{end}": value for end, value in energy.items()}
