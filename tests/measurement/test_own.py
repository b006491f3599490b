"""How our own engines are prepared to be measured."""

import os
import pathlib
import subprocess
import sys

import numpy as np

import edgelstm
from tests.networks import random_input, random_network

CHILD = """
import pathlib, sys
import numpy as np
from edgelstm.measurement.own import prepare_numba
from edgelstm.runtimes.runtime import Calling

folder, path = map(pathlib.Path, sys.argv[1:])
call = prepare_numba(path, Calling(np.load(path.with_suffix(".npy")), {}))
before = sorted(folder.rglob("*.kernel"))
call()
assert before and before == sorted(folder.rglob("*.kernel"))
"""


def test_no_call_waits_for_the_compiler(tmp_path: pathlib.Path) -> None:
    network = random_network("rnn", (3, 4), outputs=2)
    path, kernels = tmp_path / "network.npz", tmp_path / "kernels"
    edgelstm.write(network, path)
    np.save(path.with_suffix(".npy"), random_input(network, 1, 5)[0])
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(kernels)}
    subprocess.run([sys.executable, "-c", CHILD, kernels, path], check=True, env=environment)
