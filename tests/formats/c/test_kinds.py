"""What stands around recurrent layers, as C: on this machine, and on an emulated Cortex-M4."""

import pathlib
import re
import subprocess

import numpy as np
import pytest

import edgelstm
from edgelstm.errors import ModelError
from edgelstm.formats import encode
from edgelstm.layers.read_steps import ReadSteps
from edgelstm.model.network import Network
from edgelstm.runtimes.emulated.machine import EmulatedFile, Machine
from edgelstm.runtimes.folder import open_folder
from edgelstm.runtimes.host import open_host
from edgelstm.verification.sampling import random_sequences
from edgelstm.verification.verifier import compared, expected_outputs
from tests.formats.c.networks import SANITIZED, WARNINGS, every_kind, in_one_program
from tests.formats.c.test_compiled import COMPILERS, needs_gcc
from tests.networks import bidirectional_network, random_input, random_network
from tests.present import skip_without
from tests.runtimes.sweep import image_of_all

KINDS = dict(every_kind())
CORE = "cortex-m4"


@pytest.mark.parametrize("compiler", COMPILERS[:1])
def test_every_kind_is_the_reference_under_sanitizers(
    tmp_path: pathlib.Path, compiler: str
) -> None:
    said = in_one_program(tmp_path, KINDS.items(), [compiler, *WARNINGS, *SANITIZED])
    assert len(said.splitlines()) == len(KINDS)
    assert all(line.startswith("0 of ") for line in said.splitlines()), said


def test_every_kind_is_the_reference_on_a_core(tmp_path: pathlib.Path) -> None:
    """Whole sequences at once, and step by step where there is a step."""
    skip_without(CORE)
    pytest.importorskip("ziglang", reason='pip install "edgelstm[mcu]"')
    paths = {
        name: edgelstm.write(network, tmp_path / f"{name}_c", target=CORE)
        for name, network in KINDS.items()
    }
    folders = {name: open_folder(path) for name, path in paths.items()}
    image = image_of_all(tmp_path, CORE, list(folders.values()))
    for k, (name, folder) in enumerate(folders.items()):
        network = edgelstm.read(paths[name])
        x = random_sequences(network, 4, network.fixed_steps or 12)
        expected = expected_outputs(network, x, CORE, every_step=False)
        file = EmulatedFile(folder, Machine(CORE, image, at_end=k % 2 == 0))
        for got in (np.stack([file.run_whole(x_b) for x_b in x]), file.run(x)):
            found = compared(name, CORE, (expected, got), network)
            assert (found.status, found.mismatches) == ("ok", 0), (name, found)


@needs_gcc
def test_a_mean_has_the_twins_bits_of_any_number_of_steps(tmp_path: pathlib.Path) -> None:
    for precision in ("int8", "int16x8"):
        network = KINDS[f"mean_{precision}_composed"]
        opened = open_host(edgelstm.write(network, tmp_path / f"{precision}_c"), {})
        for steps in (1, 2, 3, 64, 129, 1000):
            x = random_sequences(network, 2, steps)
            expected = edgelstm.run(network, x, engine="reference")
            np.testing.assert_array_equal(opened.run(x), expected)


SUMS = """
#include <stdio.h>
#include "edgelstm_kernels.h"
int main(void)
{
    const int16_t v[2] = {-32768, 32767};
    int32_t sums[4] = {0, 0, 0, 0};
    int16_t y[2];
    for (int32_t t = 0; t < 300000; t++) {
        edgelstm_sum_s16(v, 2, sums);
    }
    edgelstm_mean_s16(sums, 2, 300000, y);
    printf("%d %d", y[0], y[1]);
    return 0;
}
"""


@needs_gcc
def test_sums_of_the_mean_do_not_overflow(tmp_path: pathlib.Path) -> None:
    path = edgelstm.write(KINDS["mean_int16x8_composed"], tmp_path / "net_c")
    (tmp_path / "main.c").write_text(SUMS)
    words = ["gcc", *WARNINGS, *SANITIZED, f"-I{path / 'src'}", "-o", str(tmp_path / "program")]
    source = path / "src" / "edgelstm_around.c"
    subprocess.run([*words, str(tmp_path / "main.c"), str(source)], check=True)
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=True)
    low, high = map(int, done.stdout.split())
    assert low == -32768 and 32767 - high <= 1


QUANTIZE = """
#include <stdio.h>
#include "net.h"
int main(void)
{
    static float v[40000];
    static int8_t x[40000];
    const int32_t n = (int32_t)fread(v, sizeof(float), 40000, stdin);
    const int32_t strange = net_quantize(v, x, n);
    fwrite(x, 1, (size_t)n, stdout);
    return (int)strange;
}
"""


@needs_gcc
def test_quantize_normalizes_with_the_bits_of_run(tmp_path: pathlib.Path) -> None:
    network = KINDS["normalized_int8_composed"]
    assert network.input_mean is not None and network.input_std is not None
    assert network.input is not None
    path = edgelstm.write(network, tmp_path / "net_c")
    (tmp_path / "main.c").write_text(QUANTIZE)
    words = ["gcc", *WARNINGS, *SANITIZED, f"-I{path / 'src'}", "-o", str(tmp_path / "program")]
    sources = [*(path / "src").glob("*.c"), tmp_path / "main.c"]
    subprocess.run([*words, *map(str, sources)], check=True)
    v = np.random.default_rng(0).normal(size=(10_000, 4), scale=2).astype(np.float32)
    v[0, :3] = np.nan, np.inf, -3e38
    with np.errstate(over="ignore"):
        normalized = (v - network.input_mean) / network.input_std
    steps = np.rint(normalized.astype(np.float64) / network.input.scale)
    expected = np.clip(np.nan_to_num(steps) + network.input.zero_point, -128, 127)
    done = subprocess.run([tmp_path / "program"], input=v.tobytes(), capture_output=True)
    got = np.frombuffer(done.stdout, np.int8).reshape(-1, 4)
    np.testing.assert_array_equal(got, expected)
    assert done.returncode == int((~np.isfinite(normalized)).sum())


@needs_gcc
def test_run_of_real_values_and_the_folder_agree(tmp_path: pathlib.Path) -> None:
    """What `run` gives of values as a sensor has them."""
    network = KINDS["normalized_float"]
    opened = open_host(edgelstm.write(network, tmp_path / "net_c"), {})
    x = random_input(network, 3, 20)
    expected = edgelstm.run(network, x, engine="reference")
    np.testing.assert_allclose(opened.run(x), expected, rtol=0, atol=2e-6)


@needs_gcc
def test_an_index_outside_the_table_reads_none_beside_it(tmp_path: pathlib.Path) -> None:
    for form in ("float", "int8_composed"):
        network = KINDS[f"embedding_{form}"]
        opened = open_host(edgelstm.write(network, tmp_path / f"{form}_c"), {})
        got = opened.run(np.array([[-(2**31), -1, 9, 2**31 - 1]]))
        np.testing.assert_array_equal(got, opened.run(np.array([[0, 0, 8, 8]])))


@pytest.mark.parametrize("name", ["mean_float", "flatten_float", "repeat_int8_composed"])
def test_there_is_no_step_where_none_can_be_computed_alone(
    tmp_path: pathlib.Path, name: str
) -> None:
    path = edgelstm.write(KINDS[name], tmp_path / "net_c")
    assert "net_step" not in (path / "src" / "net.h").read_text()
    assert not (path / "examples").exists()
    (why,) = re.findall("There is no `net_step`: (.*).\n", (path / "README.md").read_text())
    assert "end alone" in why or "all steps" in why


@needs_gcc
def test_another_number_of_steps_than_are_read_computes_nothing(tmp_path: pathlib.Path) -> None:
    opened = open_host(edgelstm.write(KINDS["flatten_float"], tmp_path / "net_c"), {})
    x = random_input(KINDS["flatten_float"], 1, 5)
    assert not opened.run(x).any()
    assert opened.run(x[:, :3]).any()


@pytest.mark.parametrize("reads", [("finals",), ("last",)])
def test_two_directions_are_refused_by_the_layers_name(
    tmp_path: pathlib.Path, reads: tuple[str, ...]
) -> None:
    layer = bidirectional_network().layers[0]
    network = Network((layer, ReadSteps(32, reads)))
    with pytest.raises(ModelError, match="layer 'lstm1': it is bidirectional"):
        edgelstm.write(network, tmp_path / "net_c")
    one = Network((random_network().layers[0], ReadSteps(16, ("finals",))))
    with pytest.raises(ModelError, match="layer 'finals': it reads the ends of two directions"):
        edgelstm.write(one, tmp_path / "net_c")


def test_every_kind_is_read_back_as_it_was(tmp_path: pathlib.Path) -> None:
    for name, network in KINDS.items():
        path = edgelstm.write(network, tmp_path / f"{name}_c")
        written = {f.relative_to(path).as_posix(): f for f in path.rglob("*") if f.is_file()}
        again = encode(edgelstm.read(path), "_c", name=path.name)
        assert {at: f.read_bytes() for at, f in written.items()} == again, name
