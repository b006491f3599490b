"""In which order the layers of a file of weights alone run: from sizes, names and the file."""

import re
from collections.abc import Sequence

from edgelstm.errors import ModelError
from edgelstm.formats.blocks import Block, natural

MOST_BLOCKS = 200
MOST_TRIED = 5000  # beginnings of orders; all orders of many blocks take too long
HEAD_WORDS = {
    *("fc", "linear", "dense", "out", "output", "head"),
    *("classifier", "regressor", "logits", "readout"),
}

Order = tuple[Block, ...]


def in_order(
    blocks: Sequence[Block], order: Sequence[str] | None, *, is_defined: bool
) -> tuple[Order, str]:
    """The blocks in the order in which they run, and the reason for it.

    Args:
        blocks: In any order.
        order: Their names as the caller orders them, or None.
        is_defined: Whether the file holds them in the order in which the modules were defined.

    Returns:
        The order, and the end of a sentence; an empty one if the caller said so.

    Raises:
        ModelError: No order fits the sizes, several do and nothing tells which, a matrix that looks
            like an embedding.
    """
    if len(blocks) > MOST_BLOCKS:
        raise ModelError(f"holds {len(blocks)} separate layers; at most {MOST_BLOCKS} are read")
    if order is not None:
        return _as_asked(blocks, order), ""
    fitting, is_complete = _orders(blocks, by_name=False)
    if len(fitting) == 1 and is_complete:
        _check_no_embedding(blocks, fitting[0], is_defined)
        return fitting[0], ", the only one in which the sizes fit"
    if not fitting and is_complete:
        _check_no_embedding(blocks, (), is_defined)
        raise ModelError(
            f"the sizes of the layers fit in no order: {_listed(blocks)}; leave embeddings and "
            "other branches out"
        )
    found, reason = _of_several(blocks, is_defined)
    _check_no_embedding(blocks, found, is_defined)
    if not found:
        raise ModelError(
            f"the sizes of the layers fit in more than one order: {_listed(blocks)}{reason}; "
            f"name the one in which they run{_way_out(blocks)}"
        )
    return found, reason


def _of_several(blocks: Sequence[Block], is_defined: bool) -> tuple[Order, str]:
    """The order that the file or the names tell, of several that fit; else none, and why."""
    if is_defined:
        stored = tuple(sorted(blocks, key=lambda block: block.position))
        if _chains(stored):
            if _follows_names(stored):
                return stored, ", that of the file"
            return (), f", and the order in the file, {_names(stored)}, contradicts the names"
    told, is_complete = _orders(blocks, by_name=True)
    return (told[0], ", as their names say") if len(told) == 1 and is_complete else ((), "")


def _as_asked(blocks: Sequence[Block], order: Sequence[str]) -> Order:
    by_name = {block.name: block for block in blocks}
    unknown = [name for name in order if name not in by_name]
    missing = [name for name in by_name if name not in order]
    wrong = ""
    if unknown:
        wrong = f"order names '{unknown[0]}', which is not one of the layers"
    elif missing:
        wrong = f"order leaves '{missing[0]}' out"
    elif len(order) > len(by_name):
        wrong = f"order names '{next(n for n in by_name if order.count(n) > 1)}' twice"
    if wrong:
        raise ModelError(f"{wrong}; each of {_names(blocks)} is needed once")
    asked = tuple(by_name[name] for name in order)
    if not _chains(asked):
        raise ModelError(
            f"order is {_names(asked)}, in which the sizes do not fit: {_listed(asked)}"
            f"{_way_out(blocks)}"
        )
    return asked


def _orders(blocks: Sequence[Block], *, by_name: bool) -> tuple[list[Order], bool]:
    """The first two orders that fit, and whether all beginnings were tried or two orders found.

    With `by_name` they also follow the names.
    """
    places = range(len(blocks))
    before: list[set[int]] = [set() for _ in places]
    if by_name:
        before = [{j for j in places if _precedes(blocks[j], blocks[k])} for k in places]
    found: list[Order] = []
    waiting: list[tuple[int, ...]] = [()]
    tried = 0
    while waiting and len(found) < 2 and tried < MOST_TRIED:
        done, tried = waiting.pop(), tried + 1
        order = tuple(blocks[k] for k in done)
        if len(done) == len(blocks):
            found += [order] if not by_name or _ends_in_head(order) else []
            continue
        left = [k for k in places if k not in done and before[k] <= set(done)]
        waiting += [(*done, k) for k in left[::-1] if _chains([*order[-1:], blocks[k]])]
    return found, not waiting or len(found) == 2


def _chains(blocks: Sequence[Block]) -> bool:
    sizes = [part.sizes for block in blocks for part in block.parts]
    return all(a[1] == b[0] for a, b in zip(sizes, sizes[1:], strict=False))


def _follows_names(order: Order) -> bool:
    pairs = ((order[k], late) for k in range(len(order)) for late in order[k + 1 :])
    return _ends_in_head(order) and not any(_precedes(late, early) for early, late in pairs)


def _precedes(a: Block, b: Block) -> bool:
    """Whether numbers of one stem say so: `lstm1 lstm2`, `layers.0 layers.1`, `net.0.rnn net.1`."""
    for one, other in zip(a.name.split("."), b.name.split("."), strict=False):
        if one != other:
            pieces, others = natural(one), natural(other)
            return pieces[::2] == others[::2] and pieces[1::2] < others[1::2]
    return False


def _ends_in_head(order: Order) -> bool:
    """A file with a dense layer that is called a head ends in a dense layer."""
    return order[-1].is_dense or not any(_is_called_head(block) for block in order)


def _is_called_head(block: Block) -> bool:
    """Dense, and called `fc`, `out`, `head2`, `output_layer`, `classifier.1` or the like."""
    parts = [part for part in block.name.split(".") if not part.isdigit()]
    words = {word.lower() for word in re.findall("[A-Za-z]+", parts[-1] if parts else "")}
    words.discard("layer")
    return block.is_dense and bool(words) and words <= HEAD_WORDS


def _check_no_embedding(blocks: Sequence[Block], order: Order, is_defined: bool) -> None:
    """Refuses a matrix whose rows could be what the first recurrent layer takes.

    `order` is the one found, or empty: then any recurrent layer may be the first.
    """
    recurrent = [block for block in order or blocks if not block.is_dense]
    for block in blocks:
        part = block.parts[0]
        if not block.is_dense or "bias" not in part.missing:
            continue
        is_row = not _is_called_head(block) and any(
            first.parts[0].sizes[0] == part.sizes[0]
            and (not is_defined or block.position < first.position)
            for first in (recurrent[:1] if order else recurrent)
        )
        if is_row or "emb" in block.name.lower():
            columns, rows = part.sizes
            raise ModelError(
                f"tensor '{part.file_name.replace('*', 'weight')}' looks like an embedding "
                f"({rows:,} rows of {columns:,}): an embedding is not supported yet; save the "
                "network without it and give it embedded vectors, or, if it is a dense layer, name "
                f"the order in which the layers run{_way_out(blocks)}"
            )


def _names(blocks: Sequence[Block]) -> str:
    told = ", ".join(f"'{block.name}'" for block in blocks[:20])
    return told + (", ..." if len(blocks) > 20 else "")


def _listed(blocks: Sequence[Block]) -> str:
    return ", ".join([part.text for block in blocks for part in block.parts][:20])


def _way_out(blocks: Sequence[Block]) -> str:
    """How an order is named, in the command and in Python."""
    names = [block.name for block in blocks[:20]]
    return f", as in --order {','.join(names)} (in Python order={tuple(names)!r})"
