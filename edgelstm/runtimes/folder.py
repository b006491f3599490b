"""A folder of C as runtimes see it: its plan, its sources, and what is built of them, kept by hash.

The functions of a network are called as they stand in its header: `NAME_init`, `NAME_step`,
`NAME_run`.
"""

import dataclasses
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgelstm.runtimes.runtime import Array


@dataclasses.dataclass(frozen=True)
class Folder:
    """What plan.json says of a folder.

    Attributes:
        path: Of the folder.
        name: That its functions begin with.
        core: That it is written for; None: any.
        inputs, outputs: Values of a step.
        input_type, output_type: Their types.
        last_step: A sequence gives one result.
        has_step: One step can be computed alone; else whole sequences can.
        result_steps: Results of a sequence where that is another number than its steps.
        state_bytes: Of `NAME_state`.
    """

    path: Path
    name: str
    core: str | None
    inputs: int
    outputs: int
    input_type: str
    output_type: str
    last_step: bool
    has_step: bool
    result_steps: int | None
    state_bytes: int

    @property
    def sources(self) -> list[Path]:
        """All that is compiled."""
        return sorted((self.path / "src").glob("*.c"))

    def rows(self, steps: int) -> int:
        """Results of a sequence."""
        return min(steps, 1) if self.last_step else self.result_steps or steps

    def shaped(self, y: Array) -> Array:
        """Results of a sequence as a caller gets them."""
        return y.reshape(-1, self.outputs)[0] if self.last_step else y.reshape(-1, self.outputs)

    def taken(self, x: Array) -> Array:
        """Input as the functions take it: indices, (steps,) or one, with an axis of their own."""
        x = x[..., None] if self.input_type == "int32" else x
        if x.shape[-1] != self.inputs:
            raise ValueError(f"{self.inputs} inputs are needed, not {x.shape[-1]}")
        return np.ascontiguousarray(x, self.input_type)


def open_folder(path: Path) -> Folder:
    """Reads plan.json."""
    plan = json.loads((path / "plan.json").read_bytes())
    fields = (f.name for f in dataclasses.fields(Folder) if f.name != "path")
    return Folder(path, **{name: plan[name] for name in fields})


def kept(folder: Folder, words: list[str], suffix: str, build: Callable[[Path], None]) -> Path:
    """What `build` makes of a folder, from the cache if it was made of the same bytes before.

    Args:
        folder: Whose sources count.
        words: What else counts: compiler, version, flags.
        suffix: Of the file.
        build: Gets the path to write.
    """
    digest = hashlib.sha256("\0".join(words).encode())
    for source in sorted((folder.path / "src").iterdir()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return made_once(f"{folder.name}-{digest.hexdigest()[:24]}{suffix}", build)


def made_once(name: str, build: Callable[[Path], None]) -> Path:
    """A file of the cache; `build` gets the path to write where it is not there yet."""
    place = cache_folder() / name
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{secrets.token_hex(8)}{place.suffix}")
        try:
            build(beside)
            beside.replace(place)
        finally:
            beside.unlink(missing_ok=True)
    return place


def cache_folder() -> Path:
    """Where built folders are kept: beside the compiled kernels."""
    kernels = os.environ.get("NUMBA_CACHE_DIR")
    if kernels:
        return Path(kernels) / "c"
    name = "LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME"
    return Path(os.environ.get(name) or "~/.cache").expanduser() / "edgelstm" / "c"
