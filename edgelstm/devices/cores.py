"""CORES: how C is compiled for a core, what emulates it, which kernels it takes."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Core:
    """One core.

    Attributes:
        target, mcpu: What `zig cc` calls it; None: it has no such target.
        gcc: Flags of the GNU compiler for it.
        emulator: Its model in Unicorn; None: not emulated there.
        board: A board of QEMU with it; None: not known.
        layout: How the weights of a fused LSTM lie: a key of `LAYOUTS` in formats/c/layouts.py.
        dot_product: Whether it multiplies four bytes at once.
        wait_states: The most of a device with it that is known, a flash line.
    """

    target: str | None = None
    mcpu: str | None = None
    gcc: str = ""
    emulator: str | None = None
    board: str | None = None
    layout: str = "columns"
    dot_product: bool = False
    wait_states: int | None = None

    @property
    def is_emulated(self) -> bool:
        """Whether Unicorn or QEMU has it."""
        return bool(self.emulator or self.board)

    @property
    def family(self) -> str:
        """The first word of its target: `thumb`, `aarch64`, `riscv32`; "" without one."""
        return (self.target or "").split("-")[0]


_SOFT, _HARD = "thumb-freestanding-eabi", "thumb-freestanding-eabihf"
_A64 = "aarch64-freestanding"
_FLOAT = "-mthumb -mfloat-abi=hard -mfpu="

# cortex_m33 without +dsp, and cortex_m55 without +mve_fp, compile plain C without a word.
CORES = {
    "cortex-m0plus": Core(
        _SOFT,
        "cortex_m0plus",
        "-mthumb -mcpu=cortex-m0plus",
        "ARM_CORTEX_M0",
        "microbit",
        "words128",
    ),
    "cortex-m3": Core(
        _SOFT, "cortex_m3", "-mthumb -mcpu=cortex-m3", "ARM_CORTEX_M3", "mps2-an385", "words"
    ),
    "cortex-m4": Core(
        _HARD,
        "cortex_m4+vfp4d16sp",
        f"{_FLOAT}fpv4-sp-d16 -mcpu=cortex-m4",
        "ARM_CORTEX_M4",
        "mps2-an386",
        "dsp",
        wait_states=5,
    ),
    "cortex-m7": Core(
        _HARD,
        "cortex_m7+fp_armv8d16",
        f"{_FLOAT}fpv5-d16 -mcpu=cortex-m7",
        "ARM_CORTEX_M7",
        "mps2-an500",
        "dsp",
    ),
    "cortex-m33": Core(
        _HARD,
        "cortex_m33+dsp+fp_armv8d16sp",
        f"{_FLOAT}fpv5-sp-d16 -mcpu=cortex-m33",
        "ARM_CORTEX_M33",
        "mps2-an505",
        "dsp",
    ),
    "cortex-m55": Core(
        _HARD,
        "cortex_m55+mve_fp",
        "-mthumb -mfloat-abi=hard -mcpu=cortex-m55",
        None,
        "mps3-an547",
        "helium",
    ),
    "cortex-m85": Core(
        _HARD,
        "cortex_m85+mve_fp",
        "-mthumb -mfloat-abi=hard -mcpu=cortex-m85",
        layout="helium",
    ),
    "rv32imc": Core(
        "riscv32-freestanding",
        "generic_rv32+m+c",
        "-march=rv32imc -mabi=ilp32",
        "RISCV32_ANY",
        layout="words",
    ),
    "cortex-a53": Core(_A64, "cortex_a53", "-mcpu=cortex-a53", "ARM64_A53", layout="a64"),
    "cortex-a72": Core(_A64, "cortex_a72", "-mcpu=cortex-a72", "ARM64_A72", layout="a64"),
    "cortex-a76": Core(
        _A64, "cortex_a76", "-mcpu=cortex-a76", "ARM64_MAX", layout="a64", dot_product=True
    ),
    "xtensa-lx6": Core(),
    "xtensa-lx7": Core(),
    "rxv2": Core(),
}


def has_kernel(core: str) -> bool:
    """Whether a core has a kernel of its own, beside plain C."""
    return core in CORES and CORES[core].layout != Core.layout
