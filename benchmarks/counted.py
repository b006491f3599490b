"""What `bench_instructions` counts: signals itself thrice a case, around two calls of a kernel."""

import os
import signal

import numpy as np

from edgelstm.execution.compiled import NumbaEngine
from edgelstm.kernels.layer import KEPT_ROWS
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network

SIZES = ((16, 32), (40, 64), (64, 128))
FORMATS = ("float32", "int8", "hybrid")
STEPS = KEPT_ROWS  # whose input products are formed together
MARK = signal.SIGUSR1


def main() -> None:
    """Every format and size; the first call of each is not counted."""
    signal.signal(MARK, signal.SIG_IGN)
    for form in FORMATS:
        for sizes in SIZES:
            network = random_network("lstm", sizes)
            data = random_input(network, 2, 30) if form == "int8" else None
            ready = network if form == "float32" else quantize(network, data, form)
            kind = np.int8 if form == "int8" else np.float32
            run = NumbaEngine(ready, 1).call(is_step=False, real=form != "int8")
            x, y = (np.ones((1, STEPS, size), kind) for size in sizes)
            run(x, y)
            for steps in (0, STEPS):
                os.kill(os.getpid(), MARK)
                run(x[:, :steps], y[:, :steps])
            os.kill(os.getpid(), MARK)


if __name__ == "__main__":
    main()
