"""Runtimes in child processes, each against its own interpreter in this process."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgelstm.devices.cores import CORES
from edgelstm.formats.tflite.write import encode
from edgelstm.model.network import Network
from edgelstm.quantization.quantized import QuantizedNetwork
from edgelstm.quantization.quantizer import quantize
from edgelstm.runtimes import RUNTIMES, tflm
from edgelstm.runtimes.arena import smallest_arena
from edgelstm.runtimes.isolation import execute
from tests.networks import golden_lstm, random_input, random_network
from tests.present import skip_without

Array = NDArray[Any]
TFLITE_RUNTIMES = [name for name, runtime in RUNTIMES.items() if runtime.suffix == ".tflite"]
N, STEPS = 3, 6


def write(
    folder: Path, network: Network | QuantizedNetwork, steps: int, streaming: bool = False
) -> Path:
    path = folder / f"network_{steps}.tflite"
    path.write_bytes(encode(network, steps=steps, streaming=streaming, target=None)[""])
    return path


def networks() -> dict[str, tuple[Network | QuantizedNetwork, Array]]:
    """Networks with sequences in the type of their files."""
    network = random_network(sizes=(5, 16, 3), outputs=4)
    x = random_input(network, N, STEPS)
    x_q = np.random.default_rng(5).integers(-128, 128, (N, STEPS, 2)).astype(np.int8)
    return {
        "float32": (network, x),
        "last step": (random_network(sizes=(5, 16), outputs=4, last_step=True), x),
        "int8": (golden_lstm(), x_q),
    }


@pytest.fixture(params=networks())
def case(request: pytest.FixtureRequest) -> tuple[Network | QuantizedNetwork, Array]:
    return networks()[request.param]


def run_in_this_process(name: str, path: Path, sequences: Array) -> Array:
    """Outputs of a new interpreter for each sequence."""
    return np.stack([INTERPRETERS[name](path, x[None])[0] for x in sequences])


def run_tflm(path: Path, x: Array) -> Array:
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(str(path), arena_size=1 << 20)
    interpreter.set_input(x, 0)
    interpreter.invoke()
    y: Array = interpreter.get_output(0)
    return y


def run_litert(path: Path, x: Array) -> Array:
    from ai_edge_litert.interpreter import Interpreter

    return run_interpreter(Interpreter(str(path)), x)


def run_tflite_runtime(path: Path, x: Array) -> Array:
    from tflite_runtime.interpreter import Interpreter

    return run_interpreter(Interpreter(str(path)), x)


def run_interpreter(interpreter: Any, x: Array) -> Array:
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    y: Array = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return y


INTERPRETERS = {
    "tflm": run_tflm,
    "litert": run_litert,
    "tflite-runtime": run_tflite_runtime,
}


@pytest.mark.parametrize("name", TFLITE_RUNTIMES)
def test_a_child_gives_what_new_interpreters_give(
    name: str, case: tuple[Network | QuantizedNetwork, Array], tmp_path: Path
) -> None:
    skip_without(name)
    network, x = case
    path = write(tmp_path, network, STEPS)
    got = execute(name, path, x)
    assert (got.status, got.reason) == ("ok", None)
    assert got.outputs is not None and got.outputs.dtype == x.dtype
    np.testing.assert_array_equal(got.outputs, run_in_this_process(name, path, x))


@pytest.mark.parametrize("name", TFLITE_RUNTIMES)
def test_streaming_gives_the_whole_sequence_and_starts_anew_with_the_next(
    name: str, case: tuple[Network | QuantizedNetwork, Array], tmp_path: Path
) -> None:
    skip_without(name)
    network, x = case
    twice = np.concatenate([x, x])
    got = execute(name, write(tmp_path, network, 1, True), twice, streaming=True).outputs
    whole = execute(name, write(tmp_path, network, STEPS), twice).outputs
    assert got is not None and whole is not None
    if whole.ndim == 2:
        got = got[:, -1]
    if x.dtype == np.int8:
        np.testing.assert_array_equal(got, whole)
    # One product over all steps may add up in another order than one per step.
    np.testing.assert_allclose(got, whole, atol=1e-6)
    np.testing.assert_array_equal(got[:N], got[N:])


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("content", [b"", b"hello", bytes(100), b"\x1c\0\0\0TFL3" + bytes(100)])
def test_a_file_that_is_none_is_refused_in_one_line(
    name: str, content: bytes, tmp_path: Path
) -> None:
    skip_without(name)
    path = tmp_path / f"bad{RUNTIMES[name].suffix}"
    path.write_bytes(content)
    got = execute(name, path, np.zeros((1, 1, 1), np.float32))
    assert got.status == "refused" and got.outputs is None
    assert got.reason and got.reason.isprintable()


@pytest.mark.parametrize("name", TFLITE_RUNTIMES)
def test_input_of_another_shape_or_type_is_refused(name: str, tmp_path: Path) -> None:
    skip_without(name)
    network, x = networks()["float32"]
    path = write(tmp_path, network, STEPS)
    for bad, what in ((x[:, 1:], "Dimension mismatch"), (x.astype(np.int8), "of type INT8")):
        got = execute(name, path, bad)
        assert got.status == "refused" and what in str(got.reason)


def test_a_hybrid_file_gives_nan_in_tflm(tmp_path: Path) -> None:
    skip_without("tflm")
    network = random_network(sizes=(5, 16))
    x = random_input(network, N, STEPS)
    path = write(tmp_path, quantize(network, x, "hybrid"), STEPS)
    got = execute("tflm", path, x)
    assert got.status == "ok" and got.outputs is not None and np.isnan(got.outputs).any()


def test_names_of_folders_may_hold_any_letters(tmp_path: Path) -> None:
    skip_without("litert")
    network, x = networks()["int8"]
    folder = tmp_path / "Größe λ with space"
    folder.mkdir()
    assert execute("litert", write(folder, network, STEPS), x).status == "ok"


def test_each_runtime_names_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    runtimes, old = 'pip install "edgelstm[runtimes]"', 'pip install "edgelstm[tflite-runtime]"'
    mcu = 'pip install "edgelstm[mcu]"'
    assert {name: runtime.obstacle for name, runtime in RUNTIMES.items()} == {
        "tflm": f"tflite-micro is not installed: {runtimes} (needs x86-64 Linux)",
        "litert": f"ai-edge-litert is not installed: {runtimes}",
        "onnxruntime": f"onnxruntime is not installed: {runtimes}",
        "tflite-runtime": f"tflite-runtime is not installed: {old} "
        "(needs an environment with Python <= 3.11 and numpy < 2)",
        "host": f"ziglang is not installed: {mcu} "
        "(needs that or another C compiler: cc, gcc, clang)",
        **{
            name: f"unicorn is not installed: {mcu}"
            if core.emulator
            else "qemu-system-arm is not installed: apt-get install qemu-system-arm"
            if core.board
            else f"nothing emulates a {name} here; host has its bits"
            for name, core in CORES.items()
        },
    }


def test_tflite_runtime_is_not_used_with_numpy_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr("numpy.__version__", "2.1.0")
    assert RUNTIMES["tflite-runtime"].obstacle == (
        "tflite-runtime does not work with the installed numpy 2.1.0: "
        'pip install "edgelstm[tflite-runtime]" '
        "(needs an environment with Python <= 3.11 and numpy < 2)"
    )
    monkeypatch.setattr("numpy.__version__", "1.26.4")
    assert RUNTIMES["tflite-runtime"].obstacle is None


def test_asking_for_a_runtime_imports_none() -> None:
    code = """
        import sys
        from edgelstm.runtimes import RUNTIMES
        for runtime in RUNTIMES.values():
            runtime.version, runtime.obstacle
        print({r.package for r in RUNTIMES.values()} & set(sys.modules))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.check_output(command, text=True).strip() == "set()"


def fits(path: Path, arena_bytes: int) -> bool:
    """Whether TFLM runs a file, in a process of its own."""
    code = """
        import sys, numpy as np
        from tflite_micro.python.tflite_micro import runtime
        interpreter = runtime.Interpreter.from_file(sys.argv[1], arena_size=int(sys.argv[2]))
        details = interpreter.get_input_details(0)
        interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
        interpreter.invoke()
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(path), str(arena_bytes)]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("steps", [1, pytest.param(50, marks=pytest.mark.slow)])
def test_the_smallest_arena_is_enough_and_a_smaller_one_is_not(
    steps: int, case: tuple[Network | QuantizedNetwork, Array], tmp_path: Path
) -> None:
    skip_without("tflm")
    path = write(tmp_path, case[0], steps)
    got = smallest_arena(path)
    assert got is not None and got % 16 == 0
    assert fits(path, got)
    assert not fits(path, got - 16)
    assert not fits(path, got - 256)


@pytest.mark.parametrize("reported, needed", [(34960, 34960), (3344, 3760), (0, 1 << 19)])
def test_the_smallest_arena_is_found_from_what_the_interpreter_reports(
    reported: int, needed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes: list[int] = []

    class Interpreter:
        def print_allocations(self) -> None:
            os.write(2, f"[Recording] Arena allocation total {reported} bytes\n".encode())

    def fits(content: bytes, arena_bytes: int, expected: bytes) -> bool:
        probes.append(arena_bytes)
        return arena_bytes >= needed

    monkeypatch.setattr(tflm, "_interpreter", lambda content, arena_bytes: Interpreter())
    monkeypatch.setattr(tflm, "_probe", lambda interpreter: b"")
    monkeypatch.setattr(tflm, "_fits", fits)
    assert tflm.least_arena_bytes(b"") == needed
    assert len(probes) <= (1 if reported == needed else 40 if reported == 0 else 10)


def test_a_file_that_tflm_does_not_run_has_no_arena(tmp_path: Path) -> None:
    skip_without("tflm")
    path = tmp_path / "bad.tflite"
    path.write_bytes(b"hello")
    assert smallest_arena(path) is None


def test_without_tflm_there_is_no_arena(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    network, _ = networks()["int8"]
    path = write(tmp_path, network, 1)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert smallest_arena(path) is None
