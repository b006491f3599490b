"""What `export` says; `to_dict` gives the object of `--json`, which the report's file holds too."""

import dataclasses
from typing import Any

from edgelstm.comparison.calling import Called
from edgelstm.comparison.folder import Built
from edgelstm.comparison.measuring import Accuracy
from edgelstm.comparison.use import Use
from edgelstm.cost.energy import Energy
from edgelstm.cost.memory import Fit
from edgelstm.quantization.scales import Scale
from edgelstm.tools.answer import Answer, kernels_dict
from edgelstm.verification.nodes import Replaced
from edgelstm.verification.results import Verified


@dataclasses.dataclass(frozen=True)
class Artifact:
    """A written file, or a folder.

    Attributes:
        path, format: Where, and what it is.
        size_bytes: Of a folder the sum of its files.
        float32_bytes: The same of the float network; None where there is none.
        is_for, not_for: What it is for, and what it is not; None: nothing to say.
        fit: Whether the device holds it; None of a file that nothing there runs.
        built: Of a folder of C what was compiled for its core; None where nothing was.
    """

    path: str
    format: str
    size_bytes: int
    float32_bytes: int | None
    is_for: str
    not_for: str | None
    fit: Fit | None = None
    built: Built | None = None

    def to_dict(self) -> dict[str, Any]:
        """An object of `artifacts`."""
        return {
            "path": self.path,
            "format": self.format,
            "bytes": self.size_bytes,
            "float32_bytes": self.float32_bytes,
            "for": self.is_for,
            "not_for": self.not_for,
            "fit": self.fit and self.fit.to_dict(),
        }


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """What was written of one network, and what was checked.

    Attributes:
        answer: What stands first; its steps are those of a call of a `.tflite` file.
        form, form_reason: What every integer inside is, and why; None where values are real.
        streaming, target: As asked for.
        assumed: What the file did not say.
        skipped: What was left out, and why.
        artifacts: What was written.
        accuracy: What quantizing cost.
        verified: Each file in each runtime.
        macs: Of a step.
        by_kernels: Time and energy with each class of kernels beside the chosen one.
        input, output: What the files' integers stand for; None for real values.
        called: What code that calls the files must know.
        use: The file for each kind of device.
        replaced: The larger graph that the network was put back into.
        failures: Each makes the exit code 1.
        version: That made the report.
    """

    answer: Answer
    form: str | None
    form_reason: str | None
    streaming: bool | str
    target: str | None
    assumed: tuple[str, ...]
    skipped: tuple[str, ...]
    artifacts: tuple[Artifact, ...]
    accuracy: Accuracy
    verified: tuple[Verified, ...]
    macs: int
    by_kernels: tuple[Energy, ...]
    input: Scale | None
    output: Scale | None
    called: Called
    use: tuple[Use, ...]
    failures: tuple[str, ...]
    version: str
    replaced: tuple[Replaced, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The object of `export --json`."""
        answer = self.answer
        return {
            "model": answer.model,
            "device": answer.device,
            "precision": answer.precision,
            "form": self.form,
            "form_reason": self.form_reason,
            "steps": answer.steps,
            "streaming": self.streaming,
            "target": self.target,
            "assumed": list(self.assumed),
            "skipped": list(self.skipped),
            "artifacts": [artifact.to_dict() for artifact in self.artifacts],
            "fit": answer.fit.to_dict(),
            "accuracy": self.accuracy.to_dict(),
            "verified": [v.to_dict() for v in self.verified],
            "per_step": self._per_step_dict(),
            "input": _end_dict(self.input),
            "output": _end_dict(self.output),
            **self.called.to_dict(),
            "use": [use.to_dict() for use in self.use],
            "replaced": [found.to_dict() for found in self.replaced],
            "failures": list(self.failures),
            "version": self.version,
        }

    def _per_step_dict(self) -> dict[str, Any]:
        energy = self.answer.energy.to_dict()
        keys = ("latency_us", "energy_uj", "energy_net_uj", "basis", "latency_reason", "kernels")
        return {
            "macs": self.macs,
            **{key: energy[key] for key in keys},
            "reason": energy["energy_reason"],
            "notes": energy["notes"],
            "by_kernels": [kernels_dict(found) for found in self.by_kernels],
        }


def _end_dict(scale: Scale | None) -> dict[str, Any]:
    """Type of x or y in the files; an integer q stands for scale * (q - zero_point)."""
    if scale is None:
        return {"scale": None, "zero_point": None, "type": "float32"}
    return dataclasses.asdict(scale)
