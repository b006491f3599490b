"""What `compare` gives: a row per precision and form of one network."""

import dataclasses
from typing import Any

from edgelstm.cost.energy import Energy
from edgelstm.cost.memory import Fit
from edgelstm.notebook import html_table
from edgelstm.verification.results import FAILED, Verified


@dataclasses.dataclass(frozen=True)
class FileBytes:
    """A file of the network.

    Attributes:
        format: `tflite`, `onnx`, or `c` of a folder.
        size_bytes: Its size; of a folder the sum of its files.
        is_for: What it is for.
    """

    format: str
    size_bytes: int
    is_for: str

    def to_dict(self) -> dict[str, Any]:
        """An object of `files`."""
        return {"format": self.format, "bytes": self.size_bytes, "for": self.is_for}


@dataclasses.dataclass(frozen=True)
class OnDevice:
    """A precision and form on a device.

    Attributes:
        device: Its name.
        fit: Whether it is held, as `export` says it.
        energy: Time and energy of a step, as `export` says them.
        use: Format of the file to use there; None: another row's file, or none.
        reason: What runs it there, or why another row is used.
    """

    device: str
    fit: Fit
    energy: Energy
    use: str | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """An object of `devices`."""
        energy = self.energy.to_dict()
        return {
            "device": self.device,
            "fits": self.fit.fits,
            **{key: energy[key] for key in ("latency_us", "energy_uj", "basis")},
            "use": self.use,
            "reason": self.reason,
        }


@dataclasses.dataclass(frozen=True)
class Row:
    """A precision in a form.

    Attributes:
        precision, form: Keys of `PRECISIONS` and `FORMS`; the form is None where values are real.
        files: What was written of it.
        snr_db: Of the result against float; None: equal, or nothing to compare.
        accuracy: Share of sequences whose class is right; None without labels.
        verified: Each file in each runtime.
        measured_us_per_step: CPU time here, of `Session.step`; of networks that take whole
            sequences, of `run`.
        devices: One entry per device; none where nothing was written.
        reason: What the network does not have, and why.
    """

    precision: str
    form: str | None
    files: tuple[FileBytes, ...] = ()
    snr_db: float | None = None
    accuracy: float | None = None
    verified: tuple[Verified, ...] = ()
    measured_us_per_step: float | None = None
    devices: tuple[OnDevice, ...] = ()
    reason: str | None = None

    @property
    def name(self) -> str:
        """As tables call it: `int8 composed`."""
        return " ".join(filter(None, (self.precision, self.form)))

    @property
    def mismatches(self) -> int | None:
        """Values that differ, of all files in all runtimes; None where none was compared."""
        found = [v.mismatches for v in self.verified if v.mismatches is not None]
        return sum(found) if found else None

    def to_dict(self) -> dict[str, Any]:
        """An object of `rows`."""
        return {
            "precision": self.precision,
            "form": self.form,
            "files": [file.to_dict() for file in self.files],
            "snr_db": self.snr_db,
            "accuracy": self.accuracy,
            "mismatches": self.mismatches,
            "measured_us_per_step": self.measured_us_per_step,
            "devices": [one.to_dict() for one in self.devices],
            "reason": self.reason,
        }


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Every precision and form of a network.

    Attributes:
        model: Its name.
        steps: Of a call of its `.tflite` files.
        rows: In the order of `PRECISIONS`.
    """

    model: str
    steps: int
    rows: tuple[Row, ...]

    def chosen(self, device: str) -> Row | None:
        """The row to use on a device; None: no file runs there."""
        for row in self.rows:
            if any(one.device == device and one.use for one in row.devices):
                return row
        return None

    @property
    def failures(self) -> tuple[str, ...]:
        """What differs, crashed or was refused."""
        return tuple(
            f"{v.artifact} in {v.runtime}: {v.reason}"
            for row in self.rows
            for v in row.verified
            if v.status in FAILED
        )

    def to_dict(self) -> dict[str, Any]:
        """The object of `compare --json`."""
        return {"model": self.model, "rows": [row.to_dict() for row in self.rows]}

    def _repr_html_(self) -> str:
        """A table for notebooks: one row per precision and form."""
        names = [one.device for one in next((r.devices for r in self.rows if r.devices), ())]
        rows = [
            (
                row.name,
                *(_size(row, suffix) for suffix in ("tflite", "onnx", "c")),
                "-" if row.snr_db is None else f"{row.snr_db:.1f} dB",
                "-" if row.accuracy is None else f"{row.accuracy:.2%}",
                "-" if row.mismatches is None else f"{row.mismatches:,}",
                ", ".join(one.device for one in row.devices if one.use) or "-",
            )
            for row in self.rows
        ]
        columns = (
            *("precision", ".tflite", ".onnx", "C folder", "signal to noise", "accuracy"),
            *("differ", "use"),
        )
        return html_table(f"{self.model} on {', '.join(names)}", columns, rows)


def _size(row: Row, suffix: str) -> str:
    return next((f"{f.size_bytes:,}" for f in row.files if f.format == suffix), "-")
