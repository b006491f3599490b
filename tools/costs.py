"""What a network costs on a device: asked here by every command, so that all answer alike."""

import dataclasses
import pathlib
from typing import Any

from edgelstm.cost.counts import Counts
from edgelstm.cost.energy import Energy, estimate
from edgelstm.cost.inference import inference_us
from edgelstm.cost.laws import CLASSES, side_by_side
from edgelstm.cost.memory import Fit, fit
from edgelstm.devices.device import Device
from edgelstm.formats import AnyNetwork, default_steps, facts, has_file
from edgelstm.quantization.quantized import QuantizedNetwork

BOARD_FORMATS = (".tflite", ".onnx")
# Whose code lies in flash, by whose kernels are counted; C without a runtime has no sourced size.
RUNTIMES = {
    "tflm": "tflm",
    "tflm-unrolled": "tflm",
    "cmsis-nn": "cmsis-nn",
    "published": "tflm",
    "portable": None,
    "edgelstm": None,
    "interpreter-python": None,
}


def default_precision(network: AnyNetwork, device: Device) -> str:
    """The network's own; else what runs well on the device: hybrid on a Raspberry Pi, int8."""
    if isinstance(network, QuantizedNetwork):
        return network.precision
    if device.kind != "sbc":
        return "int8"
    return "hybrid" if written_for(network, "hybrid", device) else "float32"


def written_for(network: AnyNetwork, precision: str, device: Device) -> tuple[str, ...]:
    """Suffixes of the files that `export` writes of it and that something on the device runs."""
    suffixes = BOARD_FORMATS if device.kind == "sbc" else (".tflite",)
    if precision == "hybrid" and device.kind != "sbc":
        return ()
    return tuple(suffix for suffix in suffixes if has_file(network, suffix, precision))


def no_file(network: AnyNetwork, precision: str, device: Device) -> str | None:
    """Why no file of it runs on the device, and what does; None if one does."""
    if written_for(network, precision, device):
        return None
    others = [p for p in ("int8", "hybrid", "float32") if written_for(network, p, device)]
    works = f"--precision {others[0]}" if others else "an LSTM, or --device rpi-4b"
    if device.kind == "sbc" and not others:
        works = "an LSTM or a GRU without projection"
    return f"no file yet: none of these cells in {precision} runs on {device.name}; works: {works}"


def fitted(network: AnyNetwork, counts: Counts, device: Device, **asked: Any) -> Fit:
    """`fit`, which says nothing of a file that nothing on the device runs."""
    found = fit(counts, device, **asked)
    reason = no_file(network, counts.precision, device)
    if reason is None or found.fits is False:
        return found
    return dataclasses.replace(found, fits=None, basis=f"{reason}; {found.basis}")


def call_steps(network: AnyNetwork, path: pathlib.Path | None, asked: int | None) -> int:
    """Steps that a call of the file computes: the file's own; else those asked for.

    Else those of the file that `export` writes; 1 of a streaming file.
    """
    if path is None:
        return asked or default_steps(network, streaming=False)
    about = facts(path)
    return 1 if about.streaming else about.steps or asked or 1


def per_step(counts: Counts, device: Device, kernels: str | None) -> dict[str, Any]:
    """The object `per_step` of reports."""
    energy = estimate(counts, device, kernels)
    found = energy.to_dict()
    keys = ("latency_us", "energy_uj", "energy_net_uj", "basis", "latency_reason", "kernels")
    return {
        "macs": counts.total.macs,
        **{key: found[key] for key in keys},
        "reason": energy.energy_reason,
        "notes": list(energy.notes),
        "by_kernels": [] if kernels else by_kernels(counts, device, energy),
    }


def answer(
    network: AnyNetwork, counts: Counts, device: Device, kernels: str | None, steps: int
) -> dict[str, Any]:
    """What `verdict` takes beside the report of `export`."""
    energy = estimate(counts, device, kernels)
    reason = no_file(network, counts.precision, device)
    about = {"device_kind": device.kind, "file_reason": reason}
    return energy.to_dict() | call(counts, device, energy, steps) | about


def call(
    counts: Counts, device: Device, energy: Energy, steps: int, **options: Any
) -> dict[str, Any]:
    """Steps of an inference and its time, which tables tell; `options` as of `inference_us`."""
    time = inference_us(counts, device, energy, steps, **options)
    return {"steps": steps, "inference_us": time and dataclasses.asdict(time)}


def by_kernels(counts: Counts, device: Device, chosen: Energy, **options: Any) -> list[Any]:
    """Time and energy with each class of kernels that stands beside the chosen one.

    Args:
        counts: Of a step.
        device: It runs on.
        chosen: The estimate that stands first.
        options: Of `estimate`, the same as for `chosen`.
    """
    names = side_by_side(chosen.kernels, counts.precision)
    found = [
        chosen if name == chosen.kernels else estimate(counts, device, name, **options)
        for name in dict.fromkeys((chosen.kernels, *names))
    ]
    return [_row(energy) for energy in found]


def _row(energy: Energy) -> dict[str, Any]:
    keys = ("latency_us", "energy_uj", "energy_net_uj", "latency_reason", "energy_reason", "basis")
    every = dataclasses.asdict(energy)
    about = {"kernels": energy.kernels, "what": CLASSES[energy.kernels]}
    return about | {key: every[key] for key in keys}
