"""Recurrent nodes of a larger `.onnx` graph: what they see, and another network in their place."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import check_type
from edgelstm.errors import ModelError
from edgelstm.files.disk import as_path, obstacle, write_whole
from edgelstm.formats import AnyNetwork, check_written, read
from edgelstm.formats.asked import node_names
from edgelstm.formats.onnx import part, replaced
from edgelstm.formats.onnx.read_described import KEY
from edgelstm.formats.tensors import NEEDED, at
from edgelstm.installed import check_installed
from edgelstm.model.network import Network
from edgelstm.runtimes.graphs import Calls, run_graph
from edgelstm.verification.feeds import Feeds, as_calls, random_calls
from edgelstm.verification.fidelity import snr_db

if TYPE_CHECKING:
    import onnx

Array = NDArray[Any]
NOTHING_ALIKE = -999.0  # as `fidelity.snr_db` has it


@dataclasses.dataclass(frozen=True)
class Replaced:
    """A network in the place of recurrent nodes.

    Attributes:
        path: The file.
        node: Their names, with commas between them.
        form: What stands there now, and what it is for.
        snr_db: Output of the graph to its signal-to-noise ratio against the original's; None where
            both are equal. Outputs that are no numbers are left out.
        bytes_before, bytes_after: Of the model and of the tensors outside of its file.
        fed: `given`, or `random`: what both graphs were compared on.
        reason: Why nothing was compared, or None.
    """

    path: str
    node: str
    form: str
    snr_db: dict[str, float | None]
    bytes_before: int
    bytes_after: int
    fed: str
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """An object of `replaced` in reports."""
        return dataclasses.asdict(self)


def node_inputs(
    path: str | os.PathLike[str], node: str | Sequence[str], feeds: Feeds
) -> list[NDArray[np.float32]]:
    """The sequences that a recurrent node sees: the calibration of its network.

    Args:
        path: An `.onnx` file.
        node: Its name, or those of several that follow each other: the first counts.
        feeds: What the graph is called with: a dictionary by the names of its inputs, several of
            them, or an `.npz`. An array with one axis more than its input holds one call after the
            other. States of a streaming model that are left out start at zeros and go on from call
            to call; all calls are then one sequence.

    Returns:
        (batch, steps, input_size) of each call.

    Raises:
        ModelError: No such node, feeds that the graph does not take, or it does not run.
    """
    path = _checked(path)
    with at(str(path)):
        model = part.load(path)
        first, *_ = part.find(model, node_names(node))
        calls = as_calls(model, feeds)
        probe, name = _probe(model, first.input[0], calls)
        results = run_graph(probe.SerializeToString(), path.parent, [name], calls)
        sequences = [_batch_first(call.get(name, np.zeros(0))) for call in results]
    if calls.carried and len({len(x) for x in sequences}) == 1:
        return [np.concatenate(sequences, axis=1)]
    return sequences


def _batch_first(x: Array) -> NDArray[np.float32]:
    if x.ndim != 3:
        raise ModelError(f"the node is given shape {x.shape}; (steps, batch, input_size) is needed")
    return np.ascontiguousarray(x.transpose(1, 0, 2), np.float32)


def _probe(model: onnx.ModelProto, x: str, calls: Calls) -> tuple[onnx.ModelProto, str]:
    """The model up to x, which is its output, and to the states that calls hand on."""
    import onnx
    from onnx.helper import make_empty_tensor_value_info, make_node

    probe, name = onnx.ModelProto(), f"{x} that the node sees"
    probe.CopyFrom(model)
    kept = [value for value in probe.graph.output if value.name in calls.carried.values()]
    del probe.graph.output[:]
    probe.graph.output.extend([make_empty_tensor_value_info(name), *kept])
    probe.graph.node.append(make_node("Identity", [x], [name], name=name))
    part.keep_needed(probe.graph)
    return probe, name


def replace(
    path: str | os.PathLike[str],
    node: str | Sequence[str],
    qnetwork: AnyNetwork,
    out: str | os.PathLike[str],
    feeds: Feeds | None = None,
) -> Replaced:
    """Writes a graph in which a network stands in the place of recurrent nodes.

    Float tensors go in and out as before, initial and final states are connected, and nothing else
    of the graph is touched. Before it is written it runs in ONNX Runtime beside the original.

    Args:
        path: An `.onnx` file.
        node: As `read` takes it.
        qnetwork: What `read` gives of the node, or `quantize` makes of that.
        out: The file to write, which may be `path`. Tensors outside of the file stay there; in
            another folder they are copied beside it.
        feeds: As in `node_inputs`; None: random numbers.

    Raises:
        ModelError: A network of other sizes, directions or states, a file of too old an opset, or
            one of both graphs does not run; nothing is written.
    """
    path, out, names = _checked(path), as_path(out), node_names(node)
    check_type(qnetwork, AnyNetwork, "qnetwork", "a Network or a QuantizedNetwork is needed")
    if out.suffix.lower() != ".onnx":
        raise ModelError(f"{out}: the graph is written as .onnx; give such a name")
    check_written(qnetwork, ".onnx")
    original = read(path, node=names)
    assert isinstance(original, Network)
    with at(str(path)):
        model = part.load(path)
        if any(entry.key == KEY for entry in model.metadata_props):
            raise ModelError(
                "edgelstm wrote it as one network; quantize and write that: read(path)"
            )
        nodes = part.find(model, names)
        told = [part.name_of(n) for n in nodes]
        replaced.check_fits(original, qnetwork, told)
        made = replaced.rewritten(model, nodes, qnetwork)
        content = made.SerializeToString()
        compared, fed, reason = _compared(model, content, path.parent, feeds)
        sizes = replaced.size_bytes(model), replaced.size_bytes(made)
    for source, target in _outside(made, path.parent, out):
        _copy(source, target)
    write_whole(out, content)
    about = str(out), ", ".join(told), replaced.form(qnetwork)
    return Replaced(*about, compared, *sizes, fed, reason)


def _checked(name: str | os.PathLike[str]) -> pathlib.Path:
    path = as_path(name)
    if path.suffix.lower() != ".onnx":
        raise ModelError(f"{path}: nodes are those of .onnx files; give one")
    if refused := obstacle(path):
        raise ModelError(f"{path} {refused}; {NEEDED}")
    check_installed("onnx", "reading and writing .onnx")
    return path


def _compared(
    model: onnx.ModelProto, content: bytes, folder: pathlib.Path, feeds: Feeds | None
) -> tuple[dict[str, float | None], str, str | None]:
    """Signal-to-noise ratios, what both were called with, and why nothing was compared."""
    names = [value.name for value in model.graph.output]
    fed = "random" if feeds is None else "given"
    before: list[dict[str, Array]] = []
    reason = None
    try:
        calls = random_calls(model) if feeds is None else as_calls(model, feeds)
        before = run_graph(model.SerializeToString(), folder, names, calls)
    except ModelError as error:
        if feeds is not None:
            raise
        calls, reason = Calls([]), f"random numbers do not do as feeds: {error}"
    with at("with the network in place of the node"):
        after = run_graph(content, folder, names, calls)
    pairs = [
        (name, [c[name] for c in before], [c[name] for c in after]) for name in _shared(before)
    ]
    return {name: _snr_db(expected, got) for name, expected, got in pairs}, fed, reason


def _shared(calls: Sequence[Mapping[str, Array]]) -> list[str]:
    return [name for name in (calls[0] if calls else ()) if all(name in call for call in calls)]


def _snr_db(expected: Sequence[Array], got: Sequence[Array]) -> float | None:
    """Over all calls, where the original is finite."""
    if [a.shape for a in expected] != [a.shape for a in got]:
        return NOTHING_ALIKE
    a, b = (
        np.concatenate([v.astype(np.float64).ravel() for v in side]) for side in (expected, got)
    )
    finite = np.isfinite(a)
    if not np.isfinite(b[finite]).all():
        return NOTHING_ALIKE
    return snr_db(a[finite], b[finite])


def _outside(
    model: onnx.ModelProto, folder: pathlib.Path, out: pathlib.Path
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Files of tensors that must stand beside the new file, and from where.

    Raises:
        ModelError: Another file has such a name there.
    """
    from onnx import TensorProto

    places = {
        entry.value
        for tensor in model.graph.initializer
        if tensor.data_location == TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    if out.parent.resolve() == folder.resolve():
        return []
    pairs = [(folder / place, out.parent / place) for place in sorted(places)]
    for source, target in pairs:
        inside = target.resolve().is_relative_to(out.parent.resolve())
        if not inside or (target.exists() and not target.samefile(source)):
            raise ModelError(f"{target}, for the tensors outside of {out.name}, is there already")
    return pairs


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
    beside = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, beside)
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ModelError(f"{target} cannot be written: {error.strerror}") from error
