"""What the pickle inside a `.pt` file would do, read from its instructions; nothing is executed.

A second stack follows the pickle's; it holds only each value's text and its size as a key.
"""

import dataclasses
import pickletools
from typing import Any

from edgelstm.errors import ModelError

# What a state dict's pickle needs. More would do harm: bytearray(n) takes n bytes of memory.
PICKLED = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch.nn.parameter", "Parameter"),
    ("torch", "Size"),
    ("torch", "device"),
}
# What torch.ao's quantized modules keep weights in.
QUANTIZED = {
    ("torch", "ScriptObject"),
    ("torch", "per_tensor_affine"),
    ("torch._utils", "_rebuild_qtensor"),
}
WAY_OUT = (
    "save the weights alone, torch.save(model.state_dict(), 'model.pt'), or give the module "
    "to from_torch in Python"
)
NEWEST_PROTOCOL = 3  # that torch.load reads with weights_only
MOST_INSTRUCTIONS = 1_000_000  # a tensor takes some 25
MOST_LEAVES = 1000  # of a tuple; a hash visits each, and twice what stands in it twice


@dataclasses.dataclass(frozen=True)
class _Value:
    """A value on the stack: its text if it is one, and how many values its hash visits."""

    text: str = ""
    leaves: int = 1


_MARK = _Value("(")


def check_pickle(content: bytes) -> None:
    """Refuses what a state dict does not need.

    Raises:
        ModelError: Classes and functions that would have to be called, tuples nested in each other
            so that their hash takes for ever, more than a million instructions.
        Exception: The pickle is broken.
    """
    protocol, stack = 0, list[_Value]()
    memo: dict[int, _Value] = {}
    argument: Any
    for count, (operation, argument, _) in enumerate(pickletools.genops(content)):
        name = operation.name
        if count >= MOST_INSTRUCTIONS:
            raise ModelError(f"has a pickle of above {MOST_INSTRUCTIONS:,} instructions; {WAY_OUT}")
        if name == "MEMOIZE" or name.endswith("PUT"):
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name.endswith("GET"):
            stack.append(memo[argument])
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "PROTO":
            protocol = argument
        else:
            taken = _take(stack, operation)
            if name == "GLOBAL":
                _check_class(*str(argument).split(" ", 1))
            elif name == "STACK_GLOBAL":
                _check_class(taken[0].text, taken[1].text)
            stack += [_result(operation, argument, taken)] * len(operation.stack_after)
    if protocol > NEWEST_PROTOCOL:
        raise ModelError(
            f"is pickled in protocol {protocol}, which torch loads from files it trusts alone; "
            "leave pickle_protocol out: torch.save(model.state_dict(), 'model.pt')"
        )


def _take(stack: list[_Value], operation: Any) -> list[_Value]:
    """What an instruction takes off the stack."""
    before = operation.stack_before
    above: list[_Value] = []
    if pickletools.markobject in before:
        while (value := stack.pop()) is not _MARK:
            above.append(value)
        before = before[: before.index(pickletools.markobject)]
    below = [stack.pop() for _ in before]
    return [*below[::-1], *above[::-1]]


def _result(operation: Any, argument: Any, taken: list[_Value]) -> _Value:
    if operation.name == "DUP":
        return taken[0]
    if not operation.name.startswith(("TUPLE", "FROZENSET")):
        return _Value(argument if isinstance(argument, str) else "")
    leaves = 1 + sum(value.leaves for value in taken)
    if leaves > MOST_LEAVES:
        raise ModelError(f"holds tuples of more than {MOST_LEAVES} values; {WAY_OUT}")
    return _Value(leaves=leaves)


def _check_class(module: str, name: str) -> None:
    is_type = module == "torch" and (name.endswith("Storage") or name.islower())
    if (module, name) in QUANTIZED:
        raise ModelError(
            f"holds quantized weights ({module}.{name}); save those of the float network that it "
            "was made from: torch.save(model.state_dict(), 'model.pt')"
        )
    if (module, name) not in PICKLED and not is_type:
        raise ModelError(
            f"holds pickled objects ({module}.{name}), which are never loaded; {WAY_OUT}"
        )
