"""State dicts: named weights alone, in PyTorch's names and order of gates; the rest is assumed."""

from collections.abc import Sequence

from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.formats.asked import Asked
from edgelstm.formats.blocks import Block, Part, Tensors, find_blocks
from edgelstm.formats.ordering import in_order
from edgelstm.formats.tensors import at, float32, rounding
from edgelstm.layers.dense import ACTIVATIONS, Dense
from edgelstm.layers.directions import REVERSE
from edgelstm.layers.read_steps import reading
from edgelstm.layers.recurrent import Direction, Floats, Recurrent
from edgelstm.model.network import Network, layer_names


def to_network(
    tensors: Tensors, where: str, asked: Asked | None = None, *, is_defined: bool = False
) -> Network:
    """The network of a state dict.

    Args:
        tensors: Name to array: `weight_ih_l0` and the like, `weight_ih` of single cells, and
            `weight` and `bias` of dense layers, each behind any prefix.
        where: The file's name, for errors.
        asked: `head`: what the dense head reads; None: the last step, and without a head the result
            is each step. `activation`: of the one dense layer; of two or more, which need it: of
            each but the last. `order`: of the layers; None: see `formats.ordering`.
        is_defined: Whether the tensors stand in the order in which their modules were defined.

    Raises:
        ModelError: A tensor has no place in a network, or the layers in no order, or in several.
    """
    asked = asked or Asked()
    with at(where):
        blocks, reason = in_order(find_blocks(tensors), asked.order, is_defined=is_defined)
        parts = [part for block in blocks for part in block.parts]
        activations = _activations(parts, asked.activation)
        layers = tuple(
            _layer(part, name, chosen)
            for part, name, chosen in zip(
                parts, layer_names(p.kind for p in parts), activations, strict=True
            )
        )
        has_head = parts[-1].kind == "dense" and any(part.kind != "dense" for part in parts)
        assumed = [*_assumed_layers(blocks, reason), *_assumed_activation(parts, activations)]
        if has_head and asked.last_step is None:
            finals = ", not the final states of both directions (h_n)"
            both = finals if any(part.reverse for part in parts) else ""
            assumed.append(f"'{parts[-1].file_name}' reads the last step{both}")
        is_last = has_head if asked.last_step is None else asked.last_step
        layers = reading(layers, last_step=is_last)
        return Network(layers, (*assumed, *rounding(tensors.values())))


def _activations(parts: list[Part], activation: str | None) -> list[str | None]:
    dense = [k for k, part in enumerate(parts) if part.kind == "dense"]
    if activation is not None and activation not in ACTIVATIONS:
        raise ModelError(
            f"activation '{activation}' is not supported; supported: {', '.join(ACTIVATIONS)}"
        )
    if activation is not None and not dense:
        raise ModelError(f"activation '{activation}' needs a dense layer, and the file has none")
    if activation is None and len(dense) > 1:
        names = ", ".join(f"'{parts[k].file_name}'" for k in dense)
        raise ModelError(
            f"holds the dense layers {names}, but not what stands between them; if it is the same "
            "behind each but the last, name it: --activation relu, in Python activation='relu' "
            f"(known: {', '.join(ACTIVATIONS)}); else write .onnx, or give the module to from_torch"
        )
    active = dense[:-1] if len(dense) > 1 else dense
    return [activation if k in active else None for k in range(len(parts))]


def _layer(part: Part, name: str, activation: str | None) -> Dense | Recurrent[Direction]:
    if part.kind == "dense":
        with at(f"'{part.file_name}'"):
            tensors = _tensors(part)
            return Dense(name, tensors["weight"], tensors["bias"], activation)
    directions = [_direction(part, name)]
    if part.reverse is not None:
        directions.append(_direction(part.reverse, name + REVERSE))
    with at(f"'{part.file_name}'"):
        return Recurrent(tuple(directions))


def _direction(part: Part, name: str) -> Direction:
    with at(f"'{part.file_name}'"):
        tensors = _tensors(part)
        return Direction(
            name,
            part.kind,
            tensors["weight_ih"],
            tensors["weight_hh"],
            tensors["bias_ih"],
            tensors["bias_hh"],
        )


def _tensors(part: Part) -> dict[str, Floats]:
    return {
        kind: float32(array, part.file_name.replace("*", kind))
        for kind, array in part.tensors.items()
    }


def _assumed_layers(blocks: Sequence[Block], reason: str) -> list[str]:
    sentences = []
    for part in (p for block in blocks for both in block.parts for p in (both, both.reverse) if p):
        if part.kind != "dense":
            gates = " ".join(CELLS[part.kind].gates)
            sentences.append(
                f"'{part.file_name}' is PyTorch's {part.kind.upper()}, with its gates in the order "
                f"{gates}"
            )
        sentences += [
            f"'{part.file_name.replace('*', kind)}' is absent: zeros" for kind in part.missing
        ]
    if len(blocks) > 1 and reason:
        names = ", ".join(f"'{block.name}'" for block in blocks)
        sentences.append(f"the layers run in the order {names}{reason}")
    return sentences


def _assumed_activation(parts: list[Part], activations: list[str | None]) -> list[str]:
    sentences = []
    if parts[-1].kind == "dense" and activations[-1] is None:
        sentences.append(f"no activation stands behind '{parts[-1].file_name}'")
    if sum(part.kind == "dense" for part in parts) > 1:
        chosen = next(a for a in activations if a)
        sentences.append(f"{chosen} stands behind each dense layer but the last")
    return sentences
