"""A folder of C: the network that it computes, and how it is called."""

import json
import pathlib
from typing import Any

from edgelstm.errors import ModelError
from edgelstm.files.disk import read_bytes
from edgelstm.formats.asked import Asked, check_stated
from edgelstm.formats.c.twin import read_twin
from edgelstm.formats.signature import FileFacts
from edgelstm.formats.tensors import at
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork

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
    return FileFacts(None, plan["input_type"], plan["output_type"], False, core=plan["core"])


def read_plan(path: pathlib.Path) -> dict[str, Any]:
    """plan.json, its types checked; `ModelError` if it is not what was written."""
    try:
        plan = json.loads(read_bytes(path / "plan.json", NEEDED, MOST_BYTES))
        for key, kind in TYPES.items():
            if not isinstance(plan[key], kind):
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
    plan = read_plan(path) if "plan.json" in found else {"files": [], "name": ""}
    left = {f"test_{plan['name']}", REPORT} if "plan.json" in found else set()
    others = sorted(found - set(plan.get("files", [])) - left)
    if others:
        named = ", ".join(others[:3]) + ", ..." * (len(others) > 3)
        raise ModelError(
            f"{path} holds files that were not written with it: {named}; "
            "move them, or give another folder"
        )


TYPES: dict[str, Any] = {
    "name": str,
    "core": str | None,
    "inputs": int,
    "outputs": int,
    "input_type": str,
    "output_type": str,
    "last_step": bool,
    "state_bytes": int,
    "layers": list,
}
