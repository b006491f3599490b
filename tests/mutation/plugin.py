"""For pytest beside a mutant: kernels that were compiled before, and bounds on what it may take."""

import os
import resource

MEMORY_BYTES = 8 << 30
KERNELS = "EDGELSTM_MUTATION_KERNELS"


def pytest_configure() -> None:
    """After conftest.py, which gives each run a folder of its own; mutants change no kernel."""
    os.environ["NUMBA_CACHE_DIR"] = os.environ[KERNELS]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
