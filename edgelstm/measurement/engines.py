"""ENGINES: what runs a network on this machine, and is measured.

A new one is a `Preparer` and an entry in this table. Engines that run written files have the names
of `RUNTIMES` (but for `c`: `host` there), and their preparers stand beside the openers there.
"""

import dataclasses
import importlib.metadata
from collections.abc import Callable, Mapping

from edgelstm import installed
from edgelstm.errors import ModelError
from edgelstm.formats import AnyNetwork
from edgelstm.measurement import torch_calls
from edgelstm.runtimes import RUNTIMES
from edgelstm.runtimes.host import compiler_version
from edgelstm.verification.verifier import SERVES


@dataclasses.dataclass(frozen=True)
class Engine:
    """One engine.

    Attributes:
        preparers: Precision to the ``module:function`` of its `Preparer`.
        suffix: Of the file that it is given: of a format of edgelstm.
        package: That is imported and installed, of the same name; None: nothing is needed, or it
            is an engine of `RUNTIMES`.
        runtime: Its name there, where it is one.
        oracle: Whose arithmetic its integers have, a key of `ORACLES`.
        kernels: What the profiler calls its kernels on a board; None: it has no law for them.
        source: Precision of the network in its file, where that is not its own: torch quantizes by
            itself.
        left_out: Precision to why it is measured only where the engine is named.
        refusal: Why it has no form of a network, or None; of engines of `RUNTIMES` the writers of
            their files say that.
        stands_in_for: The package without which it is measured; None: always.
    """

    preparers: Mapping[str, str]
    suffix: str = ".npz"
    package: str | None = None
    runtime: str | None = None
    oracle: str = "tflm"
    kernels: str | None = None
    source: str | None = None
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict)
    refusal: Callable[[AnyNetwork], str | None] = lambda network: None
    stands_in_for: str | None = None

    @property
    def version(self) -> str | None:
        """Of what is installed, or of the C compiler; None where nothing but edgelstm is needed."""
        if self.runtime == "host":
            return compiler_version()
        if self.runtime:
            return RUNTIMES[self.runtime].version
        return importlib.metadata.version(self.package) if self.package else None

    @property
    def install(self) -> str | None:
        """The line that installs it."""
        if self.runtime:
            return RUNTIMES[self.runtime].install
        return installed.install_line(self.package) if self.package else None

    @property
    def obstacle(self) -> str | None:
        """Why it does not run here, with the line that installs it; None if it does."""
        if self.runtime:
            return RUNTIMES[self.runtime].obstacle
        if self.package is None or installed.is_installed(self.package):
            return None
        return f"{self.package} is not installed: {self.install}"

    def why_left_out(self, precision: str) -> str | None:
        """Why it is not measured unless it is named, or None."""
        if self.stands_in_for and installed.is_installed(self.stands_in_for):
            return f"measured where {self.stands_in_for} is missing, or the engine is named"
        return self.left_out.get(precision)


def _runtime(name: str, kernels: str | None, **left_out: str) -> Engine:
    """What runs files of a format."""
    runtime = RUNTIMES[name]
    served = [p for (suffix, p), by in SERVES.items() if suffix == runtime.suffix and name in by]
    return Engine(
        dict.fromkeys(served, runtime.preparer),
        runtime.suffix,
        runtime=name,
        oracle=name,
        kernels=kernels,
        left_out=left_out,
    )


_OWN = ("float32", "hybrid", "int8", "int16x8")
_EXACT = "a reference for checking, some hundred times slower; measured where the engine is named"
ENGINES: dict[str, Engine] = {
    "numba": Engine(
        dict.fromkeys(_OWN, "edgelstm.measurement.own:prepare_numba"),
        package="numba",
        kernels="edgelstm",
    ),
    "onnxruntime": _runtime("onnxruntime", "interpreter-python", int8=_EXACT, int16x8=_EXACT),
    "litert": _runtime("litert", "interpreter-python"),
    "tflite-runtime": _runtime("tflite-runtime", "interpreter-python"),
    "tflm": _runtime("tflm", None),
    "c": _runtime("host", None),
    "torch": Engine(
        {
            "float32": "edgelstm.measurement.torch_calls:prepare_torch",
            "hybrid": "edgelstm.measurement.torch_calls:prepare_torch_hybrid",
        },
        package="torch",
        source="float32",
        refusal=torch_calls.refusal,
    ),
    "reference": Engine(
        dict.fromkeys(_OWN, "edgelstm.measurement.own:prepare_reference"), stands_in_for="numba"
    ),
}


def check_engines(names: tuple[str, ...] | None) -> None:
    """`ModelError` for a name that is none, or an engine that does not run here."""
    for name in names or ():
        if name not in ENGINES:
            raise ModelError(f"engine '{name}' is unknown; known: {', '.join(ENGINES)}")
        if obstacle := ENGINES[name].obstacle:
            raise ModelError(f"engine '{name}': {obstacle}")
