"""A part of a larger graph, in `export`: the graph that holds it."""

import pathlib

from edgelstm.comparison.use import file_stem
from edgelstm.formats import AnyNetwork
from edgelstm.tools.output import Tell
from edgelstm.tools.request import Request
from edgelstm.verification.nodes import Replaced, replace


def put_back(network: AnyNetwork, request: Request, tell: Tell) -> tuple[Replaced, ...]:
    """Writes the graph with the network in the place of its nodes; nothing where none are named.

    Raises:
        ModelError: It has no place there, or one of both graphs does not run.
    """
    if request.node is None or request.model is None:
        return ()
    path = whole_path(network, request)
    tell(f"putting it back: {path.name}")
    return (replace(request.model, request.node, network, path, request.calibration),)


def whole_path(network: AnyNetwork, request: Request) -> pathlib.Path:
    """Of the graph that is written."""
    assert request.model is not None
    return request.out / f"{file_stem(request.model.stem, network)}.onnx"
