"""`edgelstm compare`: every precision and form of a network, and which to use where."""

import pathlib
import tempfile
from collections.abc import Iterator, Sequence

from edgelstm.comparison.comparing import DEVICES, compared
from edgelstm.comparison.measuring import Data
from edgelstm.comparison.table import Comparison, Row
from edgelstm.devices.device import check_exportable, read_device
from edgelstm.errors import ModelError
from edgelstm.files.disk import read_contents, write_contents, write_whole
from edgelstm.model.network import Network
from edgelstm.printable import printable_texts
from edgelstm.text import counted, number
from edgelstm.tools import output
from edgelstm.tools.cautions import RANDOM
from edgelstm.tools.request import (
    Request,
    check_options,
    check_source,
    read_data,
    read_network,
)
from edgelstm.tools.written import make_folder

USE = {"c": "use the C folder"}


def main(
    request: Request,
    devices: Sequence[str],
    out: pathlib.Path | None,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Runs the command; returns its exit code: 1 if a file failed a check."""
    devices = devices or DEVICES
    check_options(request)
    for device in devices:
        check_exportable(read_device(device))
    if out is not None and out.exists() and not out.is_dir():
        raise ModelError(f"output folder {out} is a file; give another with -o")
    with output.progress(quiet) as tell, tempfile.TemporaryDirectory() as folder:
        tell("reading the model")
        network, name, data = _read(request)
        where = pathlib.Path(folder)
        table = compared(network, name, data, devices, folder=where, steps=request.steps, tell=tell)
        if out is not None:
            _keep(where, out, request, table)
    if data.source == "random":
        output.warn(RANDOM)
    if as_json:
        output.print_json(table.to_dict())
    elif not quiet:
        _print(printable_texts(table), out)
    return output.exit_code(table.failures)


def _read(request: Request) -> tuple[Network, str, Data]:
    network, name = read_network(request)
    if not isinstance(network, Network):
        raise ModelError(
            f"{request.model}: the file is in {network.precision} already; compare makes every "
            "precision of a float32 network: give that one"
        )
    return network, name, read_data(network, request, "int8")


def _keep(made: pathlib.Path, out: pathlib.Path, request: Request, table: Comparison) -> None:
    """The files and the table, once all of them are there."""
    contents = {out / path.name: read_contents(path) for path in sorted(made.iterdir())}
    for path, content in contents.items():
        check_source(request, path, content)
    make_folder(out)
    for path, content in contents.items():
        write_contents(path, content)
    write_whole(out / f"{table.model}_compare.json", output.json_text(table.to_dict()).encode())


def _print(table: Comparison, out: pathlib.Path | None) -> None:
    output.print_heading(table.model, f"{counted(table.steps, 'step')} a call of a .tflite file")
    headings = (
        *("precision", "form", ">.tflite", ">.onnx", ">C folder", ">SNR, dB", ">accuracy"),
        *(">differ", ">us a step here"),
    )
    output.print_table("", headings, map(_row, table.rows))
    output.print_line()
    columns = ("device", "precision", "fits", ">time, us", ">energy, uJ", "use", "because")
    output.print_table("A step on each device", columns, _device_rows(table))
    output.print_line()
    for row in table.rows:
        if row.reason:
            output.print_line(f"{row.name}: {row.reason}", style="dim")
    for reason in dict.fromkeys(v.reason for r in table.rows for v in r.verified if v.reason):
        output.print_line(reason, style="dim", whole=True)  # a line to copy
    if out is not None:
        output.print_line(f"files and table: {out}", whole=True)


def _row(row: Row) -> tuple[str, ...]:
    sizes = {file.format: f"{file.size_bytes:,}" for file in row.files}
    return (
        row.precision,
        row.form or "-",
        sizes.get("tflite", "-"),
        sizes.get("onnx", "-"),
        sizes.get("c", "-"),
        "-" if row.snr_db is None else f"{row.snr_db:.1f}",
        "-" if row.accuracy is None else f"{row.accuracy:.2%}",
        "-" if row.mismatches is None else f"{row.mismatches:,}",
        "-" if row.measured_us_per_step is None else number(row.measured_us_per_step),
    )


def _device_rows(table: Comparison) -> Iterator[tuple[str, ...]]:
    """Device by device, each with its rows."""
    every = [(one, row) for row in table.rows for one in row.devices]
    for name in dict.fromkeys(one.device for one, _ in every):
        for one, row in every:
            if one.device == name:
                middle = [
                    "-" if x is None or x.typical is None else number(x.typical)
                    for x in (one.energy.latency_us, one.energy.energy_uj)
                ]
                fits = {True: "yes", False: "no", None: "-"}[one.fit.fits]
                use = USE.get(one.use, f"use .{one.use}") if one.use else ""
                yield (name, row.name, fits, *middle, use, one.reason)
