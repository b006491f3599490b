"""What verifying a file gives: one result per runtime, and whether all is well."""

import dataclasses
import os
from typing import Any

from edgelstm.notebook import html_table
from edgelstm.text import counted

FAILED = ("differs", "crashed", "refused")


@dataclasses.dataclass(frozen=True)
class Verified:
    """One file in one runtime.

    Attributes:
        artifact: The file.
        runtime: Key of `runtimes.RUNTIMES`.
        status: `ok`, `differs`, `skipped` (not installed, too long), `crashed`, `refused`.
        reason: Why, unless ok.
        values: Compared.
        mismatches: How many differ; None where nothing ran.
        max_difference: In steps of the output for integers, else in its unit.
        tolerance: Below which a difference is none; 0 for integers.
    """

    artifact: str
    runtime: str
    status: str
    reason: str | None
    values: int
    mismatches: int | None
    max_difference: float | None
    tolerance: float

    def to_dict(self) -> dict[str, Any]:
        """Plain types, as JSON takes them."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Verification:
    """A file in all its runtimes."""

    verified: tuple[Verified, ...]

    @property
    def passed(self) -> bool:
        """Values were compared; nothing differs, crashes or is refused. Skipped does not count."""
        return any(v.values for v in self.verified) and not self._failed

    @property
    def _failed(self) -> bool:
        return any(v.status in FAILED for v in self.verified)

    def to_dict(self) -> dict[str, Any]:
        """Plain types, as JSON takes them."""
        return {"verified": [v.to_dict() for v in self.verified]}

    def _repr_html_(self) -> str:
        """A table for notebooks: one row per file and runtime."""
        rows = [
            (
                os.path.basename(v.artifact),
                v.runtime,
                f"{v.status}: {v.reason}" if v.reason else v.status,
                f"{v.values:,}",
                "-" if v.mismatches is None else f"{v.mismatches:,}",
                "-" if v.max_difference is None else f"{v.max_difference:.2g}",
            )
            for v in self.verified
        ]
        columns = ("file", "runtime", "status", "values", "differ", "largest difference")
        n = sum(v.values for v in self.verified)
        told = f"Nothing differs in {counted(n, 'value')}" if n else "Nothing was compared"
        return html_table("Failed" if self._failed else told, columns, rows)
