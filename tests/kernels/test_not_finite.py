"""What is not a number goes on as such, and stays where it belongs."""

import numpy as np
import pytest

from edgelstm.cells import CELLS
from edgelstm.execution import stages
from edgelstm.execution.bytecode import encode
from edgelstm.execution.chained import Chained
from edgelstm.execution.session import Session, run
from edgelstm.layers.directions import parts
from edgelstm.model.forward import forward
from edgelstm.model.network import Network
from edgelstm.quantization.quantizer import quantize
from tests.kernel_forms import every_form
from tests.networks import random_input, random_network, random_recurrent
from tests.parameters import compiled


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", [0, 2, 3], ids=["float32", "hybrid", "gru"])
def test_one_value_that_is_not_finite_is_seen_in_the_result(form: int, bad: float) -> None:
    network = every_form()[form]
    x = random_input(network, 1, 20)[0]
    x[5, 2] = bad
    y = run(network, x)
    assert np.isfinite(y[:5]).all()
    saturates = np.isinf(bad) and form != 2  # an infinite sum is the end of a gate's range
    assert saturates or np.isnan(y[5:]).all()


def float_form(name: str) -> Network:
    """A cell with its kernel, or an LSTM with a projection."""
    if name != "projected":
        return random_network(name, (1, 17))
    layer = random_recurrent("lstm", 1, 17, np.random.default_rng(2), projection=5)
    return Network((layer,))


@pytest.mark.parametrize("name", compiled([*CELLS, "projected"]))
def test_an_infinite_value_stays_where_it_belongs(name: str) -> None:
    network = float_form(name)
    x = np.array([[1], [np.inf], [1], [-np.inf], [1]], np.float32)
    with np.errstate(invalid="ignore"):
        expected = forward(network, x[None])[0]
    got = run(network, x)
    assert np.array_equal(np.isnan(got), np.isnan(expected))
    assert np.nanmax(np.abs(got - expected)) < 1e-6


@pytest.mark.parametrize("name", compiled([*CELLS, "projected"]))
def test_a_state_that_is_set_leaves_nothing_of_the_one_before(name: str) -> None:
    network = float_form(name)
    session, x = Session(network), np.ones((1, 1), np.float32)
    session.run(x)
    before, expected = session.state, session.run(x)
    session.step(np.full(1, np.nan, np.float32))
    session.state = before
    assert np.array_equal(session.run(x), expected)


def test_a_hybrid_program_sees_one_value_that_is_not_a_number() -> None:
    network = quantize(random_network("lstm", (4, 5), outputs=2), None, "hybrid")
    x = random_input(network, 1, 4)
    program = Chained([stages.ProgramStage(encode(parts(network.layers)), 1)], (4, x.dtype), 1)
    x[0, 0, 1] = np.nan
    y = np.empty((1, 4, 2), np.float32)
    assert program.call(is_step=False)(x, y) == 0
    assert np.isnan(y).all()
