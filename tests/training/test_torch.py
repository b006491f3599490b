"""The default trainer: PyTorch's own layers and lists of operations are the toolkit's networks."""

import numpy as np
import pytest
import torch

import edgelstm
from edgelstm.cells import CELLS
from edgelstm.searching.space import Candidate, Task
from edgelstm.training.data import Series, TrainingData, read_data
from edgelstm.training.modules import Layered, Listed
from edgelstm.training.scoring import in_precision, saturated, score
from edgelstm.training.torch import Settings, fit, train

X = np.random.default_rng(0).normal(size=(60, 7, 3)).astype(np.float32)
Y = np.arange(60) % 2
X[:, :, 0] += 2 * Y[:, None]
CANDIDATES = [Candidate(cell, 4, 2, "float32") for cell in CELLS] + [
    Candidate("lstm", 4, 1, "float32", projection=2),
    Candidate("lstm", 3, 2, "float32", bidirectional=True),
    Candidate("mgu", 3, 1, "float32", bidirectional=True),
    Candidate("lstm_peephole", 4, 1, "float32", projection=2, bidirectional=True),
]


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("last_step", [True, False])
@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda c: c.key())
def test_a_module_computes_what_its_network_does(candidate: Candidate, last_step: bool) -> None:
    torch.manual_seed(0)
    model = Layered(candidate.network(Task(3, 2, 7, last_step)))
    expected = model(torch.from_numpy(X[:5]))[0].detach().numpy()
    got = edgelstm.run(model.network(), X[:5], engine="reference")
    np.testing.assert_allclose(got, expected, atol=2e-6)  # float32 sums in another order


def test_the_list_of_an_lstm_is_pytorch_s_own_layer() -> None:
    torch.manual_seed(0)
    layer = Candidate("lstm", 4, 1, "float32").network(Task(3, 2, 7)).layers[0]
    listed, own = Listed(layer), torch.nn.LSTM(3, 4, batch_first=True)  # type: ignore[arg-type]
    own.load_state_dict(listed.state_dict())
    outputs, cells = listed(torch.from_numpy(X))
    expected, (_, last) = own(torch.from_numpy(X))
    assert cells is not None
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(cells, last[0])


@pytest.mark.parametrize("cell", ["lstm", "gru", "mgu"])
def test_training_learns_and_repeats_itself(cell: str) -> None:
    data, candidate = read_data({"x": X, "y": Y}, 0), Candidate(cell, 4, 1, "int8")
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    one, other = (train(candidate, data, 3, 12) for _ in range(2))
    for a, b in zip(one.layers, other.layers, strict=True):
        assert all(np.array_equal(v, b.arrays[name]) for name, v in a.arrays.items())
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)
    assert score(one, data.train, data.kind).value > 0.7  # half is chance


def test_a_penalty_on_the_cell_state_keeps_it_small() -> None:
    data = read_data({"x": X, "y": Y}, 0)
    skeleton = Candidate("lstm", 4, 1, "int8").network(Task(3, 2, 7))
    found = []
    for penalty in (0.0, 10.0):
        settings = Settings(state_penalty=penalty)
        session = edgelstm.Session(
            fit(skeleton, data, seed=0, epochs=12, settings=settings), batch=60, engine="reference"
        )
        session.run(X)
        found.append(float((session.state["lstm1"]["c"] ** 2).mean()))
    assert found[1] < found[0] / 2


def test_real_answers_are_fitted_and_scored_by_their_error() -> None:
    data = read_data({"x": X, "y": X[:, :, 0].mean(1)}, 0)
    made = train(Candidate("gru", 8, 1, "int8"), data, 0, 30)
    found = score(in_precision(made, "int8", data), data.valid, data.kind)
    spread = float(np.asarray(data.valid.y).std())
    assert found.low < found.value < found.high < spread
    by_hand = edgelstm.run(made, data.valid.x, engine="reference")[:, 0] - data.valid.y
    expected = score(made, data.valid, data.kind).value
    assert expected == pytest.approx(float(np.sqrt((by_hand.astype(np.float64) ** 2).mean())))


def test_steps_of_one_series_count_as_one() -> None:
    y = (X[:, :, 0] > 0).astype(np.int64)
    series = Series(X, y)
    data = TrainingData(series, series, None, "classes", False, 2)
    made = train(Candidate("rnn", 4, 1, "int8"), data, 0, 10)
    found = score(made, series, data.kind)
    assert found.value > 0.8 and found.high - found.low > 0.1  # 60 series, not 420 steps
    assert saturated(in_precision(made, "int8", data)) < 0.01
