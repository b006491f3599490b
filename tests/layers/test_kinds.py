"""A kind of layer that exists nowhere: one class and one line of `LAYERS`, and what it then has."""

import dataclasses
import re
from typing import Any, ClassVar

import numpy as np
import pytest

from edgelstm.cells.spec import Op
from edgelstm.cost.count_ops import count
from edgelstm.errors import ModelError
from edgelstm.execution.session import Session, run
from edgelstm.formats import encode, has_file
from edgelstm.formats.table import FORMATS
from edgelstm.layers import LAYERS
from edgelstm.layers.operations import Operations
from edgelstm.layers.read_steps import reading
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network


@dataclasses.dataclass(frozen=True)
class Mirror:
    """``1 - x``, element by element."""

    name: str
    input_size: int
    kind: ClassVar[str] = "mirror"
    cell_name: ClassVar[None] = None
    precision: ClassVar[str] = "float32"
    input: ClassVar[None] = None
    scales: ClassVar[dict[str, Any]] = {}
    arrays: ClassVar[dict[str, Any]] = {}
    biases: ClassVar[dict[str, Any]] = {}

    @property
    def parts(self) -> tuple["Mirror", ...]:
        return (self,)

    @property
    def output_size(self) -> int:
        return self.input_size

    @property
    def sizes(self) -> "Mirror":
        return self

    @property
    def operations(self) -> Operations:
        sizes = {"x": self.input_size, "mirrored": self.input_size}
        return Operations((Op("mirrored", "complement", ("x",)),), "mirrored", sizes)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """LSTM, mirror, the last step, dense."""
    monkeypatch.setitem(LAYERS, "mirror", Mirror)
    lstm, dense = random_network("lstm", (3, 5), outputs=2).layers
    layers: Any = (lstm, dense, Mirror("mirror1", 2))
    return Network(layers)


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_it_runs(network: Network, engine: str) -> None:
    before = Network(network.layers[:-1])
    x = random_input(network, 2, 6)
    expected = 1 - run(before, x, engine=engine)
    got = run(network, x, engine=engine)
    assert np.abs(got - expected).max() < 1e-6  # the reference rounds to float32 once, not twice
    last = Network(reading(network.layers, last_step=True))
    assert np.array_equal(run(last, x, engine=engine), got[:, -1])
    session = Session(network, engine=engine)
    assert np.array_equal([session.step(x_t) for x_t in x[0]], got[0])


def test_it_counts(network: Network) -> None:
    *_, counted = count(network, precision="float32").layers
    assert (counted.name, counted.kind, counted.gates) == ("mirror1", "mirror", ())
    assert (counted.total.adds, counted.total.macs, counted.total.input_read_bytes) == (2, 0, 8)


@pytest.mark.parametrize("precision", ["int8", "hybrid"])
def test_what_has_no_integers_of_it_says_so(network: Network, precision: str) -> None:
    told = f"layer 'mirror1': a layer of the kind 'mirror' has no form in {precision} yet"
    with pytest.raises(ModelError, match=f"{told}; what works for it: float32"):
        quantize(network, np.ones((1, 4, 3), np.float32), precision)


@pytest.mark.parametrize("suffix", [s for s, known in FORMATS.items() if known.writer])
def test_what_has_no_file_of_it_says_so(network: Network, suffix: str) -> None:
    told = f"layer 'mirror1': {suffix} has no form for a layer of the kind 'mirror'; written are "
    with pytest.raises(ModelError, match=re.escape(told)):
        encode(network, suffix)
    assert not has_file(network, suffix, "float32")


def test_a_kind_that_no_table_holds_is_no_part_of_a_network() -> None:
    layers: Any = (Mirror("mirror1", 2),)
    with pytest.raises(ModelError, match="'mirror1' is of the kind 'mirror'; known are: recurrent"):
        Network(layers)
