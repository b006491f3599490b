"""A folder of C: the network that it computes, and how it is called."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

from edgelstm.devices.cores import CORES
from edgelstm.errors import ModelError
from edgelstm.files.disk import read_bytes
from edgelstm.formats.asked import Asked, check_stated
from edgelstm.formats.c.around import SHORT
from edgelstm.formats.c.build import INPUT_TYPES
from edgelstm.formats.c.names import c_name
from edgelstm.formats.c.twin import read_twin
from edgelstm.formats.signature import FileFacts
from edgelstm.formats.tensors import at
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork

PLAN = "plan.json"
NEEDED = "give a folder of C that edgelstm wrote"
MOST_BYTES = 2**28
REPORT = "report.json"  # that `export` puts beside what `write` writes


def read(path: pathlib.Path, asked: Asked) -> Network | QuantizedNetwork:
    """The network in network.json; the C beside it is not read."""
    with at(str(path)):
        network = read_twin(read_bytes(path / "network.json", NEEDED, MOST_BYTES))
        check_stated(network, asked)
    return network


def facts(path: pathlib.Path) -> FileFacts:
    """How its functions are called."""
    plan = read_plan(path)
    ends = plan["input_type"], plan["output_type"]
    return FileFacts(plan["steps"], *ends, False, core=plan["core"])


def read_plan(path: pathlib.Path) -> dict[str, Any]:
    """plan.json, its types checked; `ModelError` if it is not what was written."""
    try:
        plan = json.loads(read_bytes(path / PLAN, NEEDED, MOST_BYTES))
        for key, is_one in CHECKS.items():
            if not is_one(plan[key]):
                raise ValueError(f"'{key}' is {plan[key]!r}")
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ModelError(
            f"{path}: plan.json is not what was written ({error}); write the folder again"
        ) from error
    return dict(plan)


def kernels_of(path: pathlib.Path) -> dict[str, str]:
    """Layer to its kernel and why it has that one, in the order of the layers."""
    return {str(layer["name"]): str(layer["why"]) for layer in read_plan(path)["layers"]}


def check_own(path: pathlib.Path) -> None:
    """`ModelError` if a folder that is to be replaced holds what was not written into it.

    What `make test` and `export` leave may be there.
    """
    found = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    plan = read_plan(path) if PLAN in found else {"files": [], "name": ""}
    left = {f"test_{plan['name']}", REPORT} if PLAN in found else set()
    others = sorted(found - set(plan["files"]) - left)
    if others:
        named = ", ".join(others[:3]) + ", ..." * (len(others) > 3)
        raise ModelError(
            f"{path} holds files that were not written with it: {named}; "
            "move them, or give another folder"
        )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST_BYTES


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_layers(value: Any) -> bool:
    keys = ("name", "why")
    return isinstance(value, list) and all(
        isinstance(layer, dict) and all(_is_text(layer.get(key)) for key in keys) for layer in value
    )


# What is read of plan.json, and what it has to be.
CHECKS: dict[str, Callable[[Any], bool]] = {
    "name": lambda name: _is_text(name) and c_name(name) == name,
    "core": lambda core: core is None or (_is_text(core) and core in CORES),
    "inputs": _is_size,
    "outputs": _is_size,
    "input_type": lambda kind: _is_text(kind) and kind in INPUT_TYPES,
    "output_type": lambda kind: _is_text(kind) and kind in SHORT,
    "last_step": lambda last: isinstance(last, bool),
    "has_step": lambda has: isinstance(has, bool),
    "steps": lambda steps: steps is None or _is_size(steps),
    "result_steps": lambda steps: steps is None or _is_size(steps),
    "state_bytes": _is_size,
    "layers": _are_layers,
    "files": _are_texts,
}
