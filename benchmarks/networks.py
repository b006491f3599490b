"""What `bench_networks` runs: whole networks in each format, their input, and the right results."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.bundled import demo, demo_data
from edgelstm.cells import CELLS
from edgelstm.errors import ModelError
from edgelstm.execution.session import run
from edgelstm.layers.dense import Dense
from edgelstm.layers.directions import is_bidirectional
from edgelstm.layers.read_steps import at_each_step
from edgelstm.layers.recurrent import Direction, Recurrent
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.fixedpoint import quantize_reals
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.fidelity import snr_db
from edgelstm.verification.verifier import HYBRID_SNR_DB, compared

Array = NDArray[Any]
STEPS = 100
PRECISIONS = ("float32", "hybrid", "int8")


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One network.

    Attributes:
        title: Of its rows.
        networks: By precision, those that exist.
        x: float32 (steps, input_size).
    """

    title: str
    networks: dict[str, Any]
    x: Array

    @property
    def modes(self) -> tuple[str, ...]:
        """`step` where single steps exist, and `sequence`."""
        whole = any(is_bidirectional(layer) for layer in self.networks["float32"].layers)
        return ("sequence",) if whole else ("step", "sequence")

    @functools.cached_property
    def x_q(self) -> Array:
        """x in the int8 network's integers."""
        scale = self.networks["int8"].input
        q = quantize_reals(self.x, scale.scale, scale.zero_point, scale.limits)
        return q.astype(scale.type)

    def _each_step(self, mode: str, precision: str) -> Any:
        """A step gives what the head makes of it, also where it reads the last one."""
        network = self.networks[precision]
        return at_each_step(network) if mode == "step" else network

    @functools.cached_property
    def reals(self) -> dict[str, Array]:
        """By mode, the float network's result in float64, (steps, outputs) or (outputs,)."""
        return {m: forward(self._each_step(m, "float32"), self.x[None])[0] for m in self.modes}

    @functools.cached_property
    def integers(self) -> dict[str, Array]:
        """By mode, the int8 network's result, by the oracle."""
        return {
            mode: run(self._each_step(mode, "int8"), self.x_q, engine="reference")
            for mode in self.modes
        }

    def fault(self, precision: str, mode: str, got: Array, *, exact: bool) -> str | None:
        """Why a result is not that of this network, or None.

        Args:
            precision: Whose tolerance holds.
            mode: `step` or `sequence`.
            got: As `reals` gives it; int8 is taken as integers of the int8 network.
            exact: Whether int8 has to be the oracle's, bit for bit.
        """
        expected = self.reals[mode]
        if precision != "int8":
            found = compared("", "", (expected, got), self.networks[precision])
            return found.reason if found.status == "differs" else None
        scale = self.networks["int8"].output
        if exact:
            integers = self.integers[mode]
            right = integers if got.dtype == np.int8 else scale.reals(integers)
            return None if np.array_equal(got, right) else "its integers are not the oracle's"
        got = scale.reals(got) if got.dtype == np.int8 else got
        if got.shape != expected.shape:
            return f"gives shape {got.shape} where {expected.shape} is expected"
        snr = snr_db(expected, got)
        if snr is None or snr >= HYBRID_SNR_DB:  # a saturated sum or a lost state lies below
            return None
        return f"signal-to-noise ratio is {snr:.1f} dB; {HYBRID_SNR_DB:.0f} dB are needed"


def case(title: str, network: Network, x: Array, calibration: Array) -> Case:
    """The network in every precision that it has."""
    networks: dict[str, Any] = {}
    for precision in PRECISIONS:
        if precision == "float32":
            networks[precision] = network
            continue
        try:
            networks[precision] = quantize(network, calibration, precision)
        except ModelError:
            continue
    return Case(title, networks, x)


def bundled() -> Case:
    """The trained network that comes with the package, and a recording."""
    data = demo_data()
    title = "bundled: LSTM 12 -> 48, dense 9 over the last step"
    return case(title, demo(), data.test_inputs[0], data.calibration)


def random_network(
    cell_name: str, sizes: tuple[int, ...], outputs: int | None = None, *, n_directions: int = 1
) -> Network:
    """Weights as PyTorch initialises them, a head at each step with `outputs`."""
    rng = np.random.default_rng(1)

    def uniform(bound: float, *shape: int) -> Array:
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    def direction(name: str, i: int, h: int) -> Direction:
        rows, bound = len(CELLS[cell_name].gates) * h, h**-0.5
        w, u = uniform(bound, rows, i), uniform(bound, rows, h)
        return Direction(name, cell_name, w, u, uniform(bound, rows), uniform(bound, rows))

    layers: list[Any] = []
    size = sizes[0]
    for k, h in enumerate(sizes[1:]):
        names = [f"{cell_name}{k + 1}", f"{cell_name}{k + 1}_reverse"][:n_directions]
        layers.append(Recurrent(tuple(direction(name, size, h) for name in names)))
        size = h * n_directions
    if outputs:
        bound = size**-0.5
        layers.append(Dense("dense1", uniform(bound, outputs, size), uniform(bound, outputs)))
    return Network(tuple(layers))


def random_input(size: int) -> Array:
    """(STEPS, size) normal values."""
    return np.random.default_rng(2).standard_normal((STEPS, size)).astype(np.float32)


def random_case(
    title: str,
    cell_name: str,
    sizes: tuple[int, ...],
    outputs: int | None,
    *,
    n_directions: int = 1,
) -> Case:
    """A random network, and normal input."""
    x = random_input(sizes[0])
    network = random_network(cell_name, sizes, outputs, n_directions=n_directions)
    return case(title, network, x, x)


CASES: dict[str, Callable[[], Case]] = {
    "bundled": bundled,
    "lstm64x2": functools.partial(
        random_case, "2 x LSTM 64 of 40 inputs, dense 12 each step", "lstm", (40, 64, 64), 12
    ),
    "lstm256x3": functools.partial(
        random_case,
        "3 x LSTM 256, dense 256 each step",
        "lstm",
        (256, 256, 256, 256),
        256,
    ),
    "gru": functools.partial(random_case, "GRU 40 -> 64, dense 12 each step", "gru", (40, 64), 12),
    "tagger": functools.partial(
        random_case,
        "LSTM 40 -> 64 in both directions, dense 12 each step",
        "lstm",
        (40, 64),
        12,
        n_directions=2,
    ),
}


def two_layers() -> tuple[Case, Case, Case]:
    """Two LSTMs one behind the other, and each of them alone, with the same weights and scales."""
    both = random_case("2 x LSTM 64 of 40 inputs", "lstm", (40, 64, 64), None)

    def alone(k: int, x: Array) -> Case:
        networks = {
            precision: dataclasses.replace(network, layers=network.layers[k : k + 1])
            for precision, network in both.networks.items()
        }
        return Case(f"layer {k + 1} alone", networks, x)

    first = alone(0, both.x)
    between = forward(first.networks["float32"], both.x[None])[0].astype(np.float32)
    return both, first, alone(1, between)
