"""What a folder of C needs beside weights and biases: its code with tables, and its stack.

Bytes are the most of what `python -m benchmarks.bench_cores` measured on linked images of
networks of all cells, compiled by zig 0.17 with -O2; another compiler needs other code.
"""

import dataclasses

from edgelstm.cost.counts import Counts

MOST_UNROLLED = 256  # columns; beyond, the assembly of DSP cores has a loop


@dataclasses.dataclass(frozen=True)
class Code:
    """Bytes, at most.

    Attributes:
        first: Code and tables of a network of one recurrent layer, with a head or without.
        layer: Of each further layer.
        column: Of each input and unit of a layer, where products are unrolled or rows are padded.
        unit: Of each unit, where weights are stored with more than the biases that are counted.
        block: Columns of a matrix are stored in blocks of so many.
        stack: Of a step.
    """

    first: int
    layer: int
    stack: int
    column: float = 0.0
    unit: int = 0
    block: int = 1

    def flash_bytes(self, counts: Counts) -> int:
        """Beside weights and biases."""
        total = float(self.first + self.layer * (len(counts.layers) - 1))
        for layer in counts.layers:
            if layer.gates:
                sizes = layer.input_size, layer.hidden_size
                padding = len(layer.gates) * sum(-size % self.block for size in sizes)
                total += (self.unit + padding) * layer.hidden_size
                total += self.column * sum(min(size, MOST_UNROLLED) for size in sizes)
        return round(total)


_DSP = {
    "fused": Code(10_000, 1_000, 144, column=15.5, unit=16),
    "composed": Code(11_900, 1_900, 144, column=18.0),
    "float32": Code(5_400, 700, 128),
}
_HELIUM = {
    "fused": Code(12_500, 400, 224, unit=16, block=16),
    "composed": Code(11_900, 1_900, 176, column=18.0),
    "float32": Code(5_300, 300, 224),
}
_A64 = {
    "fused": Code(12_800, 800, 160, column=12.0, unit=40),
    "composed": Code(15_300, 1_500, 192, column=16.0, unit=24),
    "float32": Code(5_600, 700, 128),
}
CODE: dict[str, dict[str, Code]] = {
    "cortex-m0plus": {
        "fused": Code(7_800, 400, 228),
        "composed": Code(7_600, 1_800, 352),
        "float32": Code(7_900, 800, 280),
    },
    "cortex-m3": {
        "fused": Code(7_400, 400, 192),
        "composed": Code(7_100, 1_700, 272),
        "float32": Code(8_300, 700, 192),
    },
    "cortex-m4": _DSP,
    "cortex-m7": _DSP,
    "cortex-m33": _DSP,
    "cortex-m55": _HELIUM,
    "cortex-m85": _HELIUM,
    "rv32imc": {
        "fused": Code(8_200, 400, 144),
        "composed": Code(7_500, 1_800, 160),
        "float32": Code(6_200, 900, 176),
    },
    "cortex-a53": _A64,
    "cortex-a72": _A64,
    "cortex-a76": _A64,
}
OTHERS = {
    "fused": Code(8_200, 400, 384),
    "composed": Code(8_400, 1_900, 448),
    "float32": Code(8_300, 900, 384),
}


def code_of(counts: Counts, core: str) -> Code:
    """For a core, and more than plain C has anywhere where it was not measured."""
    fused = counts.precision == "int8" and all(b.operator != "steps" for b in counts.buffers)
    real = counts.precision == "float32"
    return CODE.get(core, OTHERS)["float32" if real else "fused" if fused else "composed"]
