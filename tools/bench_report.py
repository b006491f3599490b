"""What `bench --core` reports of a core: figures of one step, as JSON takes them."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Gate:
    """A gate's weights, and of the instructions that read weights the share that is theirs."""

    name: str
    instructions: int
    weight_bytes: int


@dataclasses.dataclass(frozen=True)
class Cycles:
    """By the manual's costs: without wait states, and with the most that are known."""

    low: int
    typical: int
    high: int


@dataclasses.dataclass(frozen=True)
class CoreRow:
    """A step on one core.

    Attributes:
        core: Key of `CORES`.
        instructions_per_step: Executed.
        predicted_instructions_per_step: From sizes; None where a layer is compiled C.
        gates: And the rest.
        padding_bytes: Of weights, read beside them; None where reads are not told.
        loads, stores, bytes_read, bytes_written: Accesses of memory, or None.
        stack_bytes, flash_bytes, ram_bytes: Of stack, code with constants, the state.
        mismatches: Values that differ from what this machine computes.
        kernels: Layer to its kernel and why.
        compiler: And its version.
        cycles_per_step: None where nothing is known of the core's costs.
        wait_states: Of flash, the most that is known, a line.
        cycles_basis: What they stand on, or why there are none.
    """

    core: str
    instructions_per_step: int
    predicted_instructions_per_step: int | None
    gates: tuple[Gate, ...]
    padding_bytes: int | None
    loads: int | None
    stores: int | None
    bytes_read: int | None
    bytes_written: int | None
    stack_bytes: int
    flash_bytes: int
    ram_bytes: int
    mismatches: int | None
    kernels: dict[str, str]
    compiler: str
    cycles_per_step: Cycles | None
    wait_states: int | None
    cycles_basis: str

    def to_dict(self) -> dict[str, Any]:
        """An object of `results`."""
        return dataclasses.asdict(self)
