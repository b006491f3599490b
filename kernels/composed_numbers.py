"""What stands in the slots of a composed cell's operations: factors and shifts, from its scales."""

from collections.abc import Mapping
from typing import Any

from edgelstm.kernels.cell_ops import Cell
from edgelstm.kernels.composed_arithmetic import FACTORS, HALF, MOST_OPS, RIGHT, slot_of
from edgelstm.kernels.integer_program import HEADROOM

ONE_LOG2 = -15  # of the 1 of 1 - v
SIGMOID_LOG2 = -11  # what a sigmoid reads
MOST_FACTOR = 14  # log2 of what multiplies a value in a sum

Numbers = dict[int, int]


def operation_slots(cell: Cell, log2s: Mapping[str, int]) -> Numbers | None:
    """Slot to number, of all operations.

    Args:
        cell: Its operations.
        log2s: Value, or peephole as `operand` calls it, to log2 of its scale.

    Returns:
        None where the kernel has no form for these scales, or no room for so many operations.
    """
    if len(cell.ops) > MOST_OPS:
        return None
    found: Numbers = {}
    for op in cell.ops:
        numbers = {} if op.side else numbers_of(op, log2s)
        if numbers is None:
            return None
        slot = slot_of(cell, op)
        found |= {slot + place: number for place, number in numbers.items()}
    return found


def numbers_of(op: Any, log2s: Mapping[str, int]) -> Numbers | None:
    """Of one operation: FACTORS, RIGHT and HALF, as far as it reads them."""
    out, first = log2s[op.result], log2s[op.args[0]]
    if op.kind in ("mul", "scale"):
        return product_numbers((first, log2s[operand(op)]), out)
    if op.kind in ("add", "sub"):
        return sum_numbers((first, log2s[operand(op)]), out, 1 if op.kind == "add" else -1)
    if op.kind == "complement":
        return sum_numbers((ONE_LOG2, first), out, -1)
    if op.kind == "tanh":
        return tanh_numbers(first)
    return None if op.kind == "sigmoid" and first != SIGMOID_LOG2 else {}


def operand(op: Any) -> str:
    """What an operation of two values has as the second: a value, or the weights of a peephole."""
    return f"peephole {op.gate}" if op.kind == "scale" else str(op.args[1])


def sum_numbers(log2s: tuple[int, int], out: int, sign: int) -> Numbers | None:
    """Of ``a + sign b``, values with these log2 of scales, in a third.

    Both are taken to twice the coarser scale with HEADROOM bits below it, so nothing is lost while
    their scales are that near.
    """
    common = max(log2s) + 1
    down = [common - log2 for log2 in log2s]
    most = max(down)
    shift = out - common + most
    right, left = max(shift, 0), max(-shift, 0)
    if most >= HEADROOM or right > 20 or any(left + most - k > MOST_FACTOR for k in down):
        return None
    first, second = (1 << (left + most - k) for k in down)
    return {FACTORS: first | (sign * second) << 16, RIGHT: right, HALF: (1 << right) >> 1}


def product_numbers(log2s: tuple[int, int], out: int) -> Numbers | None:
    """Of ``a b``."""
    right = out - sum(log2s)
    return {RIGHT: right} if 2 <= right <= 30 else None


def tanh_numbers(log2: int) -> Numbers:
    """Of a tanh that reads this scale: a distance is 3 z 2^(log2 + 12), rounded."""
    n = log2 + 12
    half = 1 << (-n - 1) if n < 0 else 0
    return {FACTORS: (3 << max(n, 0)) | half << 16, RIGHT: max(-n, 0)}
