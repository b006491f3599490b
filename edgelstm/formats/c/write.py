"""encode: a network as a folder of C, text files alone; the same input gives the same bytes."""

import json
from typing import Any

from edgelstm.devices.cores import CORES
from edgelstm.files.disk import Contents
from edgelstm.formats.c.around import READ
from edgelstm.formats.c.build import KINDS as COMPUTED
from edgelstm.formats.c.build import AnyNetwork, Built, build
from edgelstm.formats.c.names import network_name
from edgelstm.formats.c.project import check_target, kernel_files, project_files
from edgelstm.formats.c.source import constants_header, constants_source
from edgelstm.formats.c.twin import twin_text
from edgelstm.formats.c.vector import vector_header
from edgelstm.layers.directions import is_bidirectional
from edgelstm.model.precision import Precision

KINDS = tuple(COMPUTED)
VERSION, PLAN = 1, "plan.json"


def encode(
    network: AnyNetwork, *, steps: int, streaming: bool, target: str | None, name: str
) -> Contents:
    """Path inside the folder to content; steps and streaming have no effect.

    Args:
        network: In float32 or integers.
        steps, streaming: A folder takes any number of steps, and its state goes on.
        target: The core whose kernels it has; None: plain C for any.
        name: Of the folder.
    """
    check_target(target)
    layout = CORES[target].layout if target else "columns"
    called = network_name(name, network.precision)
    built = build(network, called, layout)
    sources = {
        f"{called}_weights.h": constants_header(built),
        f"{called}_weights.c": constants_source(built, tables=False),
        f"{called}_tables.c": constants_source(built, tables=True),
    }
    files = {f"src/{path}": text.encode() for path, text in sources.items()}
    files |= {f"src/{path}": content for path, content in kernel_files(built.kernels).items()}
    files |= project_files(built, network, target, f"{VERSION}.0.0")
    files["test/test_vector.h"] = vector_header(built, network).encode()
    files["network.json"] = twin_text(network).encode()
    plan = _plan(built, network, target) | {"files": sorted([*files, PLAN])}
    files[PLAN] = (json.dumps(plan, indent=1) + "\n").encode()
    return dict(sorted(files.items()))


def layer_refusal(layer: Any, precision: Precision) -> str | None:
    """Why C has no form for a layer: a reverse direction, which begins at the last step."""
    reads, what = getattr(layer, "reads", ()), None
    if is_bidirectional(layer):
        what = "is bidirectional"
    elif layer.kind == "reverse_steps":
        what = "turns the steps round"
    elif not set(reads) <= set(READ):
        what = "reads the ends of two directions"
    if what:
        return (
            f"it {what}: a reverse direction begins at the last step, and C keeps no sequence; "
            "what works for it: .npz, .onnx, .tflite, or train the layer in one direction"
        )
    return None


def _plan(built: Built, network: AnyNetwork, target: str | None) -> dict[str, Any]:
    """Which kernel each layer has and why, and where every value lies."""
    return {
        "version": VERSION,
        "name": built.name,
        "core": target,
        "precision": network.precision,
        "inputs": built.input_size,
        "outputs": built.output_size,
        "input_type": built.input_type,
        "output_type": built.output_type,
        "last_step": built.last_step,
        "has_step": built.streams,
        "steps": built.steps,
        "result_steps": built.result_steps,
        "state_bytes": built.state_bytes,
        "constant_bytes": {
            name: c.n_bytes for name, c in built.constants.found.items() if c.n_bytes
        },
        "kernels": list(built.kernels),
        "layers": [
            {"name": part.name, "about": list(part.about), "why": part.why, "once": part.once}
            for part in built.parts
            if part.about
        ],
        "states": {
            name: {"elements": field.size, "element_bytes": field.element_bytes}
            for name, field in built.fields.items()
        },
        "scratch": [
            {
                "values": buffer.values,
                "offset_bytes": buffer.offset * built.element_bytes,
                "bytes": buffer.size * built.element_bytes,
                "calls": [buffer.first, buffer.last],
            }
            for buffer in built.buffers
        ],
    }
