"""`edgelstm profile`: operations, bytes, time and energy per gate, and whether it fits."""

import dataclasses
import shlex
import sys
from collections.abc import Callable, Iterator

import edgelstm
from edgelstm.comparison import costs
from edgelstm.cost.advice import advise
from edgelstm.cost.boards import Roofline, board_time, no_time
from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.cycles import shares
from edgelstm.cost.energy import Energy, estimate
from edgelstm.cost.inference import inference_us
from edgelstm.cost.memory import FOLDER, Fit, Part, memory_map
from edgelstm.cost.other_tools import foreign_counts
from edgelstm.cost.traffic import traffic
from edgelstm.cost.variants import Situation
from edgelstm.devices.device import Device, read_device
from edgelstm.errors import ModelError
from edgelstm.files.disk import write_whole
from edgelstm.formats.asked import Asked
from edgelstm.installed import check_installed
from edgelstm.model.network import Network
from edgelstm.model.sizes import shapes
from edgelstm.printable import printable_texts
from edgelstm.text import number
from edgelstm.tools import assumptions, output, page, profile_csv, profile_tables, verdict
from edgelstm.tools.answer import Answer
from edgelstm.tools.profile_report import ProfileReport, RuntimeFit, Share
from edgelstm.tools.profile_request import Given, Options, read_given
from edgelstm.tools.request import DEFAULT_DEVICE


@dataclasses.dataclass(frozen=True, eq=False)
class Costed:
    """A network on a device: its counts, and time and energy of a step."""

    given: Given
    device: Device
    counts: Counts
    energy: Energy


def main(options: Options, *, as_json: bool, quiet: bool) -> int:
    """Runs the command; returns its exit code: 1 if a network does not fit or keep up."""
    if as_json and options.csv:
        raise ModelError("--json and --csv both write to standard output; give one of them")
    if options.html:
        check_installed("jinja2", "a page (--html)")
    if options.html and options.html.resolve() in [path.resolve() for path in options.models]:
        raise ModelError(f"--html {options.html} would overwrite the model; give another name")
    devices = [read_device(name) for name in options.devices or (DEFAULT_DEVICE,)]
    _check(options, devices)
    networks = read_given(options)
    pairs = [pair for given in networks for pair in costed(given, devices, options)]
    reports = [profile(pair, options) for pair in pairs]
    shown = printable_texts(reports)
    if options.html:
        write_whole(options.html, page.render(shown).encode())
    if as_json:
        found = [report.to_dict() for report in reports]
        output.print_json(found[0] if len(found) == 1 else {"profiles": found})
    elif options.csv:
        output.print_lines(profile_csv.render(shown))
    elif not quiet:
        profile_tables.print_profiles(shown, explain=options.explain)
        if options.html:
            output.print_line(f"\npage: {options.html}", whole=True)
    return output.exit_code([failure for report in reports for failure in _failures(report.answer)])


def _failures(answer: Answer) -> list[str]:
    found, duty = [], answer.energy.duty
    if answer.fit.fits is False:
        told = verdict.too_much(answer.fit)
        found.append(f"{answer.model} does not fit {answer.device}: {told}")
    if duty and duty.keeps_up is False:
        period = number(duty.period_ms)
        found.append(f"{answer.model} does not keep up on {answer.device}: {period} ms")
    return found


def _check(options: Options, devices: list[Device]) -> None:
    """What is wrong whatever the network is: said before one is read."""
    Asked(options.head, options.activation, options.order)
    counts = count(shapes("lstm", 1, 1), options.steps, options.precision)
    for device in devices:
        _estimate(counts, device, options)


def _estimate(counts: Counts, device: Device, options: Options) -> Energy:
    return estimate(
        counts,
        device,
        options.kernels,
        options.clock_mhz,
        cores=options.cores,
        period_ms=options.period_ms,
        sleep=options.sleep,
        battery=options.battery,
    )


def costed(given: Given, devices: list[Device], options: Options) -> Iterator[Costed]:
    """The network on each device, counted once in each precision."""
    counted: dict[str, Counts] = {}
    for device in devices:
        precision = options.precision or costs.default_precision(given.network, device)
        if precision not in counted:
            counted[precision] = count(given.network, options.steps, precision)
        counts = counted[precision]
        yield Costed(given, device, counts, _estimate(counts, device, options))


def profile(pair: Costed, options: Options) -> ProfileReport:
    """Everything that is said about one network on one device."""
    given, device, counts, energy = pair.given, pair.device, pair.counts, pair.energy
    kernels = energy.kernels
    return ProfileReport(
        _answer(pair, options),
        command=shlex.join(["edgelstm", *sys.argv[1:]]),
        version=edgelstm.__version__,
        core=device.core,
        clock_mhz=options.clock_mhz or device.clock.typical,
        counts=counts,
        traffic=traffic(counts, device, kernels),
        memory=_memory(given, counts, device, kernels),
        runtimes=_runtimes(given, counts, device),
        by_kernels=_by_kernels(counts, device, energy, options),
        advice=advise(_situation(counts, energy, device, options)),
        assumed=given.network.assumed,
        shares=_shares(counts, energy, device),
        roofline=_roofline(counts, device, options, kernels),
        assumptions=assumptions.rows(device, kernels, counts),
        counters=foreign_counts(counts) if options.compare_counters else None,
    )


def _by_kernels(
    counts: Counts, device: Device, energy: Energy, options: Options
) -> tuple[Energy, ...]:
    """Whose kernels people run beside the chosen ones; none where one kind was asked for."""
    if options.kernels:
        return ()
    return costs.by_kernels(
        counts, device, energy, clock_mhz=options.clock_mhz, cores=options.cores
    )


def _answer(pair: Costed, options: Options) -> Answer:
    given, device, counts, energy = pair.given, pair.device, pair.counts, pair.energy
    return Answer(
        given.name,
        device.name,
        device_kind=device.kind,
        precision=counts.precision,
        fit=_fitted(given, counts, device, costs.RUNTIMES[energy.kernels]),
        energy=energy,
        file_reason=costs.no_file(given.network, counts.precision, device),
        steps=given.steps,
        inference_us=inference_us(
            counts,
            device,
            energy,
            given.steps,
            clock_mhz=options.clock_mhz,
            cores=options.cores,
        ),
    )


def _situation(counts: Counts, energy: Energy, device: Device, options: Options) -> Situation:
    return Situation(
        counts,
        energy,
        device,
        options.kernels,
        clock_mhz=options.clock_mhz,
        cores=options.cores,
        has_file=_has_file(device),
    )


def _has_file(device: Device) -> Callable[[Network, str], bool]:
    """Whether a file of what is advised can be made for the device, and does what is counted."""
    return lambda other, precision: costs.pays(other, precision, device)


def _memory(given: Given, counts: Counts, device: Device, kernels: str) -> tuple[Part, ...]:
    """What lies where, with the runtime whose kernels are counted."""
    runtime = costs.RUNTIMES[kernels]
    return memory_map(counts, device, steps=given.steps, runtime=runtime)


def _fitted(given: Given, counts: Counts, device: Device, runtime: str | None) -> Fit:
    return costs.fitted(
        given.network,
        counts,
        device,
        given.steps,
        runtime=runtime,
        file_bytes=None if device.kind == "sbc" else given.file_bytes,
    )


def _runtimes(given: Given, counts: Counts, device: Device) -> tuple[RuntimeFit, ...]:
    """The fit with each runtime that may run it."""
    if device.kind == "sbc" or costs.no_file(given.network, counts.precision, device):
        return ()
    written = costs.written_for(given.network, counts.precision, device)
    names = ("tflm", "cmsis-nn", *([FOLDER] if "_c" in written else []))
    return tuple(RuntimeFit(name, _fitted(given, counts, device, name)) for name in names)


def _shares(counts: Counts, energy: Energy, device: Device) -> tuple[Share, ...] | None:
    """Each row's part of time and energy: a share of an estimate, not a measurement."""
    found = shares(counts, device, energy.kernels)
    if found is None:
        return None
    latency, joules = (
        None if interval is None else interval.typical
        for interval in (energy.latency_us, energy.energy_uj)
    )
    return tuple(
        Share(
            layer,
            row,
            share,
            latency_us=None if latency is None else share * latency,
            energy_uj=None if joules is None else share * joules,
        )
        for (layer, row), share in found.items()
    )


def _roofline(counts: Counts, device: Device, options: Options, kernels: str) -> Roofline | None:
    if device.kind != "sbc" or no_time(counts, device, kernels):
        return None
    clock = options.clock_mhz or device.clock.typical
    return board_time(counts, device, kernels, clock, options.cores).roofline
