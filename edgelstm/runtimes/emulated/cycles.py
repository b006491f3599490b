"""Instructions to cycles: the cost of each class, as Arm's manual of the Cortex-M4 gives it.

No pipeline: no dual issue, no cache, no stalls between particular instructions. Cortex-M0+ and M3
differ where that is named. Taken branches and flash lines come on top.
"""

import importlib
import importlib.util
from typing import Any

from edgelstm.runtimes.emulated.counting import Counted
from edgelstm.runtimes.emulated.image import Image

TAKEN = {"cortex-m0plus": 2, "cortex-m3": 2, "cortex-m4": 2, "cortex-m33": 2, "cortex-m7": 1}
BASIS = "instructions executed, times the costs of Arm's manual; no board was measured"


def no_cycles(core: str) -> str | None:
    """Why there is no figure; None if there is one."""
    if core not in TAKEN:
        return f"no table of costs for {core}"
    if importlib.util.find_spec("capstone") is None:
        return 'capstone is not installed: pip install "edgelstm[mcu]"'
    return None


def cycles(counted: Counted, image: Image, core: str) -> int:
    """Of a counted step, without wait states."""
    capstone: Any = importlib.import_module("capstone")
    mode = capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS
    decoder = capstone.Cs(capstone.CS_ARCH_ARM, mode)
    total = counted.taken_branches * TAKEN[core]
    for (address, size), times in counted.blocks.items():
        after_access = False
        for one in decoder.disasm(image.code(address, size), address):
            cost, after_access = _cost(one.mnemonic.split(".")[0], one.op_str, core, after_access)
            total += cost * times
    return total


def _registers(operands: str) -> int:
    """In the braces of a list."""
    inside = operands.partition("{")[2].partition("}")[0]
    return sum(1 for name in inside.split(",") if name.strip())


# Start of a mnemonic to its cycles; the first that fits.
_FIXED = (
    (("vldr", "vstr"), 2),
    (("vfma", "vfms", "vmla", "vmls", "vfnma", "vfnms"), 3),
    (("vdiv", "vsqrt"), 14),
    (("v",), 1),
    (("ldrd", "strd"), 3),
    (("sdiv", "udiv"), 6),
)
_FIXED_M3 = ((("smull", "umull", "smlal", "umlal"), 5), (("mla", "mls"), 2))


def _cost(name: str, operands: str, core: str, after_access: bool) -> tuple[int, bool]:
    """Cycles, and whether the next load runs beside it."""
    if name.startswith(("ldm", "pop", "stm", "push", "vldm", "vpop", "vstm", "vpush")):
        loads = name.startswith(("ldm", "pop"))
        return 1 + max(1, _registers(operands)) + 3 * ("pc" in operands), loads
    for starts, cost in (*(_FIXED_M3 if core == "cortex-m3" else ()), *_FIXED):
        if name.startswith(starts):
            return cost, name.startswith(("ldrd", "vldr"))
    small = core == "cortex-m0plus"
    if name.startswith("ldr"):
        return (2, False) if small else (1 if after_access else 2, True)
    if name.startswith("str"):
        return (2, False) if small else (1, True)
    return 1, False
