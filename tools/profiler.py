"""`edgelstm profile`: operations, bytes, time and energy per gate, and whether it fits."""

import dataclasses
import pathlib
import shlex
import sys
from typing import Any

import edgelstm
from edgelstm.advice import advise
from edgelstm.alternatives import Situation
from edgelstm.counters import foreign_counts
from edgelstm.counting import count
from edgelstm.counts import Counts
from edgelstm.cycles import shares
from edgelstm.device import Device, read_device
from edgelstm.energy import Energy, estimate, roofline
from edgelstm.errors import ModelError
from edgelstm.files import write_whole
from edgelstm.formats import AnyNetwork
from edgelstm.memory import fit, memory_map
from edgelstm.network import Network
from edgelstm.printable import printable_texts
from edgelstm.shapes import shapes
from edgelstm.tools import assumptions, output, page, profile_csv, profile_tables
from edgelstm.tools.request import Request, read_network
from edgelstm.traffic import traffic

Report = dict[str, Any]

DEFAULT_DEVICE = "stm32u575"
# Whose code lies in flash, by whose kernels are counted; edgelstm's C has no sourced size.
RUNTIMES = {"published": "tflm", "cmsis-nn": "cmsis-nn", "portable": None, "edgelstm": None}


@dataclasses.dataclass(frozen=True)
class Shape:
    """`--cell --input --hidden --layers --projection --outputs`; None where not given."""

    cell: str | None = None
    input: int | None = None
    hidden: int | None = None
    layers: int | None = None
    projection: int | None = None
    outputs: int | None = None


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of the command; None where not given."""

    models: tuple[pathlib.Path, ...] = ()
    shape: Shape = Shape()
    devices: tuple[str, ...] = ()
    precision: str | None = None
    steps: int | None = None
    kernels: str | None = None
    clock_mhz: float | None = None
    cores: int = 1
    period_ms: float | None = None
    sleep: str | None = None
    battery: str | None = None
    head: str | None = None
    activation: str | None = None
    order: tuple[str, ...] | None = None
    compare_counters: bool = False
    csv: bool = False
    html: pathlib.Path | None = None


def main(options: Options, *, as_json: bool, quiet: bool) -> int:
    """Runs the command; returns its exit code: 1 if a network does not fit a device."""
    if as_json and options.csv:
        raise ModelError("--json and --csv both write to standard output; give one of them")
    networks = read_networks(options)
    devices = [read_device(name) for name in options.devices or (DEFAULT_DEVICE,)]
    reports = [profile(network, n, d, options) for network, n in networks for d in devices]
    shown = printable_texts(reports)
    if options.html:
        write_whole(options.html, page.render(shown).encode())
    if as_json:
        output.print_json(reports[0] if len(reports) == 1 else {"profiles": reports})
    elif options.csv:
        output.print_lines(profile_csv.render(shown))
    elif not quiet:
        profile_tables.print_profiles(shown)
        if options.html:
            output.print_line(f"\npage: {options.html}", whole=True)
    return output.exit_code(
        [
            f"{report['model']} does not fit {report['device']}"
            for report in reports
            if report["fit"]["fits"] is False
        ]
    )


def read_networks(options: Options) -> list[tuple[AnyNetwork, str]]:
    """The networks and their names: files, sizes, or the bundled one."""
    given = {k: v for k, v in dataclasses.asdict(options.shape).items() if v is not None}
    if given:
        return [_from_shape(given, options)]
    if len(options.models) > 2:
        raise ModelError(f"{len(options.models)} models are given; at most 2 stand side by side")
    requests = [
        Request(
            model=path,
            precision=options.precision,
            head=options.head,
            activation=options.activation,
            order=options.order,
        )
        for path in options.models or (None,)
    ]
    return [read_network(request) for request in requests]


def _from_shape(given: dict[str, Any], options: Options) -> tuple[Network, str]:
    if options.models or options.head or options.activation or options.order:
        raise ModelError(
            "a MODEL, --head, --activation and --order do not go with sizes such as --hidden"
        )
    missing = [f"--{name}" for name in ("cell", "input", "hidden") if name not in given]
    if missing:
        raise ModelError(f"{', '.join(missing)} missing: a network from sizes needs all three")
    cell, inputs, hidden = (given.pop(name) for name in ("cell", "input", "hidden"))
    network = shapes(cell, inputs, hidden, **given)
    rest = "".join(f"_{name}{size}" for name, size in given.items())
    return network, f"{cell}_{inputs}_{hidden}{rest}"


def profile(network: AnyNetwork, name: str, device: Device, options: Options) -> Report:
    """Everything that is said about one network on one device: the object of `--json`."""
    counts = count(network, options.steps, options.precision)
    energy = estimate(
        counts,
        device,
        options.kernels,
        options.clock_mhz,
        cores=options.cores,
        period_ms=options.period_ms,
        sleep=options.sleep,
        battery=options.battery,
    )
    kernels = options.kernels or "published"
    situation = Situation(counts, energy, device, options.kernels, options.clock_mhz, options.cores)
    report: Report = {
        "model": name,
        "precision": counts.precision,
        "device": device.name,
        "command": shlex.join(["edgelstm", *sys.argv[1:]]),
        "version": edgelstm.__version__,
        **counts.to_dict(),
        "traffic": [level.to_dict() for level in traffic(counts, device, options.kernels)],
        **_memory(network, counts, device, options),
        **energy.to_dict(),
        "advice": [advice.to_dict() for advice in advise(situation)],
        "core": device.core,
        "kernels": None if device.kind == "sbc" else kernels,
        "clock_mhz": options.clock_mhz or device.clock.typical,
        "assumed": list(network.assumed),
        "shares": _shares(counts, energy, device, kernels),
        "roofline": _roofline(counts, device, options),
        "assumptions": assumptions.rows(device, kernels),
    }
    if options.compare_counters:
        report["counters"] = [found.to_dict() for found in foreign_counts(counts)]
    return report


def _memory(
    network: AnyNetwork, counts: Counts, device: Device, options: Options
) -> dict[str, Any]:
    """The fit with the runtime whose kernels are counted, its parts, and the fit with each."""
    precision, steps = counts.precision, options.steps or 1
    own = RUNTIMES[options.kernels or "published"]
    parts = memory_map(network, device, precision=precision, steps=steps, runtime=own)
    return {
        "fit": fit(network, device, precision=precision, steps=steps, runtime=own).to_dict(),
        "memory": [dataclasses.asdict(part) for part in parts],
        "runtimes": _runtimes(network, counts, device, steps),
    }


def _runtimes(
    network: AnyNetwork, counts: Counts, device: Device, steps: int
) -> list[dict[str, Any]]:
    """The fit with each runtime on a microcontroller; `c` is C without a runtime."""
    if device.kind == "sbc":
        return []
    named = {"tflm": "tflm", "cmsis-nn": "cmsis-nn", "c": None}
    fits = {
        name: fit(network, device, precision=counts.precision, steps=steps, runtime=runtime)
        for name, runtime in named.items()
    }
    return [{"runtime": name, **found.to_dict()} for name, found in fits.items()]


def _shares(
    counts: Counts, energy: Energy, device: Device, kernels: str
) -> list[dict[str, Any]] | None:
    """Each row's part of time and energy: a share of an estimate, not a measurement."""
    found = shares(counts, device, kernels)
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


def _roofline(counts: Counts, device: Device, options: Options) -> dict[str, Any] | None:
    if device.kind != "sbc":
        return None
    found = roofline(counts, device, options.clock_mhz, options.cores)
    return None if found is None else dataclasses.asdict(found)
