"""144 finished points: `python -m tests.searching.finished_points` writes them to tests/data.

What choosing is tried on: accuracy of every LSTM of 24 sizes, one to three layers and two
precisions. Random recurrent weights with a fitted head stand for trained ones, 0.1 s each: the
figures that follow from the table are of the choosing alone.
"""

import hashlib
import json
import pathlib

import numpy as np

import edgelstm
from edgelstm.layers.dense import Dense
from edgelstm.layers.recurrent import Recurrent
from edgelstm.model.network import Network
from edgelstm.model.sizes import with_random_weights
from edgelstm.searching.space import Candidate, Space, Task
from edgelstm.verification.fidelity import accuracy

PATH = pathlib.Path(__file__).resolve().parents[1] / "data" / "finished_points.json"
SPACE = Space("lstm", range(4, 97, 4), (1, 2, 3), ("int8", "float32"))
DEVICE = "stm32l4r5"  # whose energy of float32 is known


def trained(candidate: Candidate) -> Network:
    """Random recurrent weights, and a head of least squares on the calibration series."""
    data, task = edgelstm.demo_data(), Task(12, 9, 29)
    name = f"{candidate.cell} {candidate.hidden_size} {candidate.layers}"
    seed = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
    made = with_random_weights(candidate.network(task), seed)
    body = tuple(layer for layer in made.layers if isinstance(layer, Recurrent))
    last = edgelstm.run(Network(body), data.train_inputs)[:, -1]
    features = np.c_[last, np.ones(len(last))].astype(np.float64)
    wanted = np.eye(9)[data.train_labels] - 0.1
    ridge = 1e-5 * len(last) * np.eye(features.shape[1])
    weights = np.linalg.solve(features.T @ features + ridge, features.T @ wanted)
    head = Dense("dense1", weights[:-1].T.astype(np.float32), weights[-1].astype(np.float32))
    return Network((*made.layers[:-1], head))


def point(candidate: Candidate) -> tuple[float, float]:
    """Accuracy on the test series, and the energy of a step."""
    data, network = edgelstm.demo_data(), trained(candidate)
    ready = network
    if candidate.precision == "int8":
        ready = edgelstm.quantize(network, data.calibration)  # type: ignore[assignment]
    counts = edgelstm.count(network, precision=candidate.precision)
    energy = edgelstm.estimate(counts, edgelstm.read_device(DEVICE)).energy_uj
    assert energy and energy.typical
    share = accuracy(ready, [data.test_inputs], data.test_labels)
    return round(share, 4), round(energy.typical, 3)


def finished() -> dict[Candidate, tuple[float, float]]:
    """The table as it stands in tests/data."""
    found = json.loads(PATH.read_text())
    return {candidate: tuple(found[candidate.key()]) for candidate in SPACE.candidates()}


if __name__ == "__main__":
    made = {candidate.key(): point(candidate) for candidate in SPACE.candidates()}
    PATH.write_text(json.dumps(made, indent=0) + "\n")
    print(f"{len(made)} points written to {PATH}")
