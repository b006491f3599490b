"""Written folders are compiled and run on this machine, with everything that compilers check."""

import pathlib
import shutil
import subprocess

import numpy as np
import pytest

import edgelstm
from edgelstm.cells import CELLS
from tests.formats.c.networks import (
    SANITIZED,
    WARNINGS,
    every_cell,
    every_head,
    every_layout,
    in_one_program,
)
from tests.networks import random_input, random_network

N_GRUS = sum(cell.startswith("gru") for cell in CELLS)
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")
needs_make = pytest.mark.skipif(not shutil.which("make"), reason="no make")


@pytest.mark.parametrize("compiler", COMPILERS)
def test_every_cell_is_the_reference_under_sanitizers(
    tmp_path: pathlib.Path, compiler: str
) -> None:
    said = in_one_program(tmp_path, every_cell(), [compiler, *WARNINGS, *SANITIZED])
    assert set(said.splitlines()) == {"0 of 60 values differ"}


@pytest.mark.parametrize("compiler", COMPILERS)
def test_every_head_is_the_reference_under_sanitizers(
    tmp_path: pathlib.Path, compiler: str
) -> None:
    said = in_one_program(tmp_path, every_head(), [compiler, *WARNINGS, *SANITIZED])
    assert set(said.splitlines()) == {"0 of 80 values differ"}


@pytest.mark.parametrize("compiler", COMPILERS)
def test_weights_of_each_core_are_read_here_with_the_same_bits(
    tmp_path: pathlib.Path, compiler: str
) -> None:
    said = in_one_program(tmp_path, every_layout(), [compiler, *WARNINGS, *SANITIZED])
    assert len(said.splitlines()) == 45 + 2 * len(CELLS) + 2 * N_GRUS
    assert all(line.startswith("0 of ") for line in said.splitlines())


@needs_make
def test_make_test_says_how_many_values_differ(tmp_path: pathlib.Path) -> None:
    network = random_network("gru", (5, 8), outputs=3)
    path = edgelstm.write(network, tmp_path / "speech_c")
    got = subprocess.run(["make", "-s", "test"], cwd=path, capture_output=True, text=True)
    assert (got.returncode, got.stdout) == (0, "0 of 60 values differ\n")
    vector = path / "test" / "test_vector.h"
    head, values = vector.read_text().split("test_y", 1)
    vector.write_text(f"{head}test_y{values.replace('0.', '1.', 5)}")
    got = subprocess.run(["make", "-s", "test"], cwd=path, capture_output=True, text=True)
    assert got.returncode != 0 and "values differ" in got.stdout


@pytest.mark.skipif(not shutil.which("cmake"), reason="no cmake")
def test_cmake_builds_and_tests_it(tmp_path: pathlib.Path) -> None:
    path = edgelstm.write(random_network("rnn", (2, 3)), tmp_path / "net_c")
    for words in (
        ["cmake", "-B", "build"],
        ["cmake", "--build", "build"],
        ["ctest", "--test-dir", "build"],
    ):
        subprocess.run(words, cwd=path, check=True, capture_output=True)


STUBS = {
    "idf": "function(idf_component_register)\n  message(NOTICE idf)\nendfunction()\n",
    "zephyr": """function(zephyr_library)
endfunction()
function(zephyr_library_named)
  message(NOTICE zephyr)
endfunction()
function(zephyr_library_sources)
endfunction()
function(zephyr_include_directories)
endfunction()
""",
}


@pytest.mark.skipif(not shutil.which("cmake"), reason="no cmake")
@pytest.mark.parametrize("system", STUBS)
def test_cmake_takes_it_as_a_component(tmp_path: pathlib.Path, system: str) -> None:
    edgelstm.write(random_network("rnn", (2, 3)), tmp_path / "net_c")
    start = "cmake_minimum_required(VERSION 3.16)\nproject(all C)\n"
    (tmp_path / "CMakeLists.txt").write_text(
        f"{start}{STUBS[system]}include(net_c/CMakeLists.txt)\n"
    )
    got = subprocess.run(
        ["cmake", "-B", "build"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert system in got.stdout + got.stderr


ARDUINO = """#pragma once
#include <stdint.h>
struct Printed { void begin(long); template <typename T> void print(T); };
extern Printed Serial;
unsigned long millis();
"""


@pytest.mark.skipif(not shutil.which("g++"), reason="no g++")
def test_headers_and_examples_are_good_c_plus_plus(tmp_path: pathlib.Path) -> None:
    network = random_network("lstm", (2, 3), outputs=2)
    path = edgelstm.write(
        edgelstm.quantize(network, random_input(network, 2, 9)), tmp_path / "net_c"
    )
    (tmp_path / "Arduino.h").write_text(ARDUINO)
    for words in (
        ["g++", "-include", "Arduino.h", "-x", "c++", path / "examples" / "net" / "net.ino"],
        ["g++", "-std=c++98", path / "examples" / "stream.cpp"],
        ["gcc", *WARNINGS, path / "examples" / "measure_cortex_m.c"],
    ):
        flags = ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", f"-I{path / 'src'}", "-I."]
        subprocess.run([*map(str, words), *flags], cwd=tmp_path, check=True)


QUANTIZE = """
#include <stdio.h>
#include "net.h"
int main(void)
{
    float v[4096];
    int8_t x[4096];
    const int32_t n = (int32_t)fread(v, sizeof(float), 4096, stdin);
    const int32_t strange = net_quantize(v, x, n);
    fwrite(x, 1, (size_t)n, stdout);
    return (int)strange;
}
"""


@needs_gcc
def test_quantize_rounds_as_the_toolkit_does(tmp_path: pathlib.Path) -> None:
    from edgelstm.quantization.fixedpoint import quantize_reals

    network = random_network("lstm", (2, 3))
    q = edgelstm.quantize(network, random_input(network, 2, 9))
    path = edgelstm.write(q, tmp_path / "net_c")
    (tmp_path / "main.c").write_text(QUANTIZE)
    program = tmp_path / "program"
    words = ["gcc", *WARNINGS, *SANITIZED, "-I", path / "src", "-o", program, tmp_path / "main.c"]
    subprocess.run([*map(str, words), *map(str, (path / "src").glob("*.c"))], check=True)
    ties = (np.arange(-600, 600) / 2 * q.input_scale).astype(np.float32)
    beside = np.concatenate([np.nextafter(ties, -np.inf), ties, np.nextafter(ties, np.inf)])
    v = np.concatenate([beside, np.array([3e38, -3e38, 1e-40], np.float32)]).astype(np.float32)
    expected = quantize_reals(v, q.input_scale, q.input_zero_point, (-128, 127))
    odd = np.array([np.nan, np.inf, -np.inf], np.float32)
    sent = np.concatenate([v, odd]).astype(np.float32).tobytes()
    done = subprocess.run([program], input=sent, capture_output=True)
    got = np.frombuffer(done.stdout, np.int8)
    np.testing.assert_array_equal(got, [*expected, q.input_zero_point, 127, -128])
    assert done.returncode == 3, done.stderr
