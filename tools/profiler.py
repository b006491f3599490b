"""`edgelstm profile`: operations, bytes, time and energy per gate, and whether it fits."""

import dataclasses
import shlex
import sys
from collections.abc import Callable, Iterator
from typing import Any

import edgelstm
from edgelstm.cost.advice import advise
from edgelstm.cost.boards import board_time, no_time
from edgelstm.cost.count_ops import count
from edgelstm.cost.counts import Counts
from edgelstm.cost.cycles import shares
from edgelstm.cost.energy import Energy, estimate
from edgelstm.cost.memory import memory_map
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
from edgelstm.tools import assumptions, costs, output, page, profile_csv, profile_tables
from edgelstm.tools.profile_request import Given, Options, read_given
from edgelstm.tools.request import DEFAULT_DEVICE

Report = dict[str, Any]


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
    pairs = [pair for given in networks for pair in _costed(given, devices, options)]
    reports = [profile(pair, options) for pair in pairs]
    calls = [_call(pair, options) for pair in pairs]
    answers = printable_texts([r | call for r, call in zip(reports, calls, strict=True)])
    if options.html:
        write_whole(options.html, page.render(answers).encode())
    if as_json:
        output.print_json(reports[0] if len(reports) == 1 else {"profiles": reports})
    elif options.csv:
        output.print_lines(profile_csv.render(answers))
    elif not quiet:
        profile_tables.print_profiles(answers, explain=options.explain)
        if options.html:
            output.print_line(f"\npage: {options.html}", whole=True)
    return output.exit_code([failure for report in reports for failure in _failures(report)])


def _failures(report: Report) -> list[str]:
    found = []
    if report["fit"]["fits"] is False:
        found.append(f"{report['model']} does not fit {report['device']}")
    duty = report["duty"]
    if duty and duty["keeps_up"] is False:
        period = number(duty["period_ms"])
        found.append(f"{report['model']} does not keep up on {report['device']}: {period} ms")
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


def _costed(given: Given, devices: list[Device], options: Options) -> Iterator[Costed]:
    """The network on each device, counted once in each precision."""
    counted: dict[str, Counts] = {}
    for device in devices:
        precision = options.precision or costs.default_precision(given.network, device)
        if precision not in counted:
            counted[precision] = count(given.network, options.steps, precision)
        counts = counted[precision]
        yield Costed(given, device, counts, _estimate(counts, device, options))


def _call(pair: Costed, options: Options) -> dict[str, Any]:
    """Steps of a call and its time, as `verdict` takes them."""
    return costs.call(
        pair.counts,
        pair.device,
        pair.energy,
        pair.given.steps,
        clock_mhz=options.clock_mhz,
        cores=options.cores,
    )


def _by_kernels(
    counts: Counts, device: Device, energy: Energy, options: Options
) -> list[dict[str, Any]]:
    """Whose kernels people run beside the chosen ones; none where one kind was asked for."""
    if options.kernels:
        return []
    return costs.by_kernels(
        counts, device, energy, clock_mhz=options.clock_mhz, cores=options.cores
    )


def profile(pair: Costed, options: Options) -> Report:
    """Everything that is said about one network on one device: the object of `--json`."""
    given, device, counts, energy = pair.given, pair.device, pair.counts, pair.energy
    situation = Situation(
        counts,
        energy,
        device,
        options.kernels,
        clock_mhz=options.clock_mhz,
        cores=options.cores,
        has_file=_has_file(device),
    )
    report: Report = {
        "model": given.name,
        "precision": counts.precision,
        "device": device.name,
        "device_kind": device.kind,
        "command": shlex.join(["edgelstm", *sys.argv[1:]]),
        "version": edgelstm.__version__,
        **counts.to_dict(),
        "traffic": [level.to_dict() for level in traffic(counts, device, energy.kernels)],
        **_memory(given, counts, device, energy.kernels),
        **energy.to_dict(),
        "file_reason": costs.no_file(given.network, counts.precision, device),
        "by_kernels": _by_kernels(counts, device, energy, options),
        "advice": [advice.to_dict() for advice in advise(situation)],
        "core": device.core,
        "clock_mhz": options.clock_mhz or device.clock.typical,
        "assumed": list(given.network.assumed),
        "shares": _shares(counts, energy, device),
        "roofline": _roofline(counts, device, options, energy.kernels),
        "assumptions": assumptions.rows(device, energy.kernels, counts.precision),
    }
    if options.compare_counters:
        report["counters"] = [found.to_dict() for found in foreign_counts(counts)]
    return report


def _has_file(device: Device) -> Callable[[Network, str], bool]:
    """Whether a file of what is advised can be made for the device."""
    return lambda other, precision: bool(costs.written_for(other, precision, device))


def _memory(given: Given, counts: Counts, device: Device, kernels: str) -> dict[str, Any]:
    """The fit with the runtime whose kernels are counted, its parts, and the fit with each."""
    own = costs.RUNTIMES[kernels]
    parts = memory_map(counts, device, steps=given.steps, runtime=own)

    def fitted(runtime: str | None) -> dict[str, Any]:
        size = None if device.kind == "sbc" else given.file_bytes
        asked = {"steps": given.steps, "runtime": runtime, "file_bytes": size}
        return costs.fitted(given.network, counts, device, **asked).to_dict()

    runs = device.kind != "sbc" and not costs.no_file(given.network, counts.precision, device)
    names = ("tflm", "cmsis-nn") if runs else ()
    return {
        "fit": fitted(own),
        "memory": [dataclasses.asdict(part) for part in parts],
        "runtimes": [{"runtime": name, **fitted(name)} for name in names],
    }


def _shares(counts: Counts, energy: Energy, device: Device) -> list[dict[str, Any]] | None:
    """Each row's part of time and energy: a share of an estimate, not a measurement."""
    found = shares(counts, device, energy.kernels)
    if found is None:
        return None
    latency, joules = (
        None if interval is None else interval.typical
        for interval in (energy.latency_us, energy.energy_uj)
    )
    return [
        {
            "layer": layer,
            "row": row,
            "share": share,
            "latency_us": None if latency is None else share * latency,
            "energy_uj": None if joules is None else share * joules,
        }
        for (layer, row), share in found.items()
    ]


def _roofline(
    counts: Counts, device: Device, options: Options, kernels: str
) -> dict[str, Any] | None:
    if device.kind != "sbc" or no_time(counts, device, kernels):
        return None
    clock = options.clock_mhz or device.clock.typical
    found = board_time(counts, device, kernels, clock, options.cores).roofline
    return dataclasses.asdict(found)
