"""A written folder of C on a device: what its image takes there, and the report that lies in it."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgelstm.cost.counts import Counts
from edgelstm.cost.memory import Fit, Need, fit_need, folder_need
from edgelstm.devices.device import Device
from edgelstm.runtimes.emulated.counting import count
from edgelstm.runtimes.emulated.image import Image
from edgelstm.runtimes.emulated.qemu import counting_obstacle
from edgelstm.runtimes.emulated.toolchain import compiler_version, image_of
from edgelstm.runtimes.folder import open_folder
from edgelstm.verification.results import Verified


@dataclasses.dataclass(frozen=True)
class Built:
    """A folder compiled for its core, and a step of it there."""

    flash_bytes: int
    stack_bytes: int
    instructions_per_step: int
    compiler: str


def built(path: pathlib.Path, checked: Sequence[Verified]) -> Built | None:
    """Of the image that was verified on the folder's own core; None where none was, or no step."""
    folder = open_folder(path)
    core, ran = folder.core, [v.runtime for v in checked if v.artifact == str(path) and v.values]
    counted_here = core in ran and folder.has_step
    if core is None or not counted_here or counting_obstacle(core):
        return None
    image = Image(image_of(folder, core))
    counted = count(folder, core, image, np.zeros((2, folder.inputs)))
    figures = image.flash_bytes, counted.stack_bytes, counted.instructions
    return Built(*figures, compiler_version())


def folder_fit(
    path: pathlib.Path, made: Built | None, counts: Counts, device: Device
) -> Fit | None:
    """Whether a microcontroller holds the folder; None of a Raspberry Pi."""
    if device.kind == "sbc":
        return None
    need = folder_need(counts, device.core)
    if made is not None:
        told = (
            f"the folder of C: flash of the image that {made.compiler} links for {device.core}; "
            f"RAM: its state, and the {made.stack_bytes:,} B of stack that a step took there; the "
            "application is not counted"
        )
        need = Need(made.flash_bytes, 0, made.stack_bytes, told)
    need = dataclasses.replace(need, state_bytes=open_folder(path).state_bytes)
    return fit_need(need, device)


def folder_report(report: dict[str, Any], path: str, made: Built | None) -> dict[str, Any]:
    """Of the report of an export, what concerns the folder; no paths, so that it may be kept.

    Args:
        report: The object of `export --json`.
        path: Of the folder, as it stands there.
        made: What was built of it.
    """
    (fit,) = [one["fit"] for one in report["artifacts"] if one["path"] == path]
    keys = ("runtime", "status", "reason", "values", "mismatches", "max_difference", "tolerance")
    own = [one for one in report["verified"] if one["artifact"] == path]
    built_dict = dataclasses.asdict(made) if made else None
    return {
        **{key: report[key] for key in ("model", "device", "precision", "form", "version")},
        "fit": fit,
        "per_step": report["per_step"],
        "verified": [{key: one[key] for key in keys} for one in own],
        "built": built_dict,
    }
