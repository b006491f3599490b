"""`edgelstm devices`: what is known of each device, and from where."""

from collections.abc import Iterator

from edgelstm.devices.device import Device, Figure, device_names, read_device
from edgelstm.devices.keys import FIGURES
from edgelstm.tools import output


def main(name: str | None, *, as_json: bool, quiet: bool) -> int:
    """Runs the command; returns its exit code."""
    if name is None:
        known = [read_device(n) for n in device_names()]
        if as_json:
            output.print_json({"devices": [d.to_dict() for d in known]})
        elif not quiet:
            headings = ("name", "core", ">MHz", ">flash KiB", ">RAM", ">active mW", "energy")
            output.print_table("Devices", headings, map(_row, known))
        return 0
    device = read_device(name)
    if as_json:
        output.print_json(device.to_dict())
    elif not quiet:
        columns = ("figure", ">low", ">typical", ">high", "basis", "source")
        output.print_table(device.name, ("", ""), sorted(device.texts.items()))
        output.print_line()
        output.print_table("Figures", columns, _figure_rows(device))
    return 0


def _row(device: Device) -> tuple[str, ...]:
    ram = device.figure("memory.sram_kib")
    dram = device.figure("memory.dram_mib")
    return (
        device.name,
        device.core,
        _typical(device.clock),
        _typical(device.figure("memory.flash_kib")),
        f"{_typical(ram)} KiB" if ram else f"{_typical(dram)} MiB" if dram else "-",
        _typical(device.figure("power.active_mw")),
        device.energy_answer,
    )


def _typical(figure: Figure | None) -> str:
    return "-" if figure is None else f"{figure.typical:,g}"


def _figure_rows(device: Device) -> Iterator[tuple[str, ...]]:
    for key in FIGURES:
        figure = device.figure(key)
        if figure:
            numbers = (f"{n:,g}" for n in (figure.low, figure.typical, figure.high))
            yield (key, *numbers, figure.basis, figure.source)
