"""`bench --calibrate`: a device file of this machine, for the profiler."""

import pathlib

from edgelstm.devices.device_file import device_text
from edgelstm.errors import ModelError
from edgelstm.files.disk import write_whole
from edgelstm.measurement.calibrating import calibrate
from edgelstm.measurement.predicting import calibrated_file
from edgelstm.text import number, percent
from edgelstm.tools import bench_remote, output


def main(
    out: pathlib.Path | None,
    seconds: float,
    cpu: int | None,
    remote: str | None = None,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measures, writes and prints; the file is that which `bench` finds by itself, and `out`."""
    if out is not None and out.suffix != ".toml":
        raise ModelError(f"-o {out}: a device file ends in .toml")
    with output.progress(quiet) as tell:
        device = (
            calibrate(seconds, cpu, tell)
            if remote is None
            else bench_remote.calibrated(remote, seconds, cpu, tell)
        )
    own = calibrated_file()
    if remote is not None:
        own = own.with_name(f"{device.name}.toml")
    try:
        own.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{own.parent} cannot be made: {error.strerror}") from None
    for path in (own, out):
        if path is not None:
            write_whole(path, device_text(device).encode())
    if as_json:
        output.print_json({"file": str(own), "device": device.to_dict()})
    elif not quiet:
        rows = [(key, number(figure.typical)) for key, figure in sorted(device.figures.items())]
        output.print_table(device.name, ("measured", ">"), rows)
        width = device.figures["speed.time_half_width_percent"].typical / 100
        output.print_line(f"times are told within a factor of {1 + width:.2f} ({percent(width)})")
        output.print_line(f"device file: {own}", whole=True)
    return 0
