"""`--formats tflite-c`: the bytes of the file, its operators, and C++ that compilers take."""

import json
import pathlib
import re
import shutil
import subprocess
from typing import Any

import pytest

from edgelstm.formats import facts, write
from tests.networks import random_network
from tests.tools.test_cli import Captured, run

# What of TensorFlow Lite Micro main.cc uses; any Add...() is there.
STUB = """#pragma once
#include <cstddef>
#include <cstdint>
enum TfLiteStatus { kTfLiteOk, kTfLiteError };
#define TF_LITE_ENSURE_STATUS(a) do { if ((a) != kTfLiteOk) return kTfLiteError; } while (0)
struct TfLiteTensor { union { char* raw; } data; size_t bytes;
  struct { float scale; int32_t zero_point; } params; };
namespace tflite {
struct Model; const Model* GetModel(const void*); void InitializeTarget();
struct MicroAllocator { static MicroAllocator* Create(uint8_t*, size_t); };
struct MicroResourceVariables { static MicroResourceVariables* Create(MicroAllocator*, int); };
template <unsigned N> struct MicroMutableOpResolver { @ADDS@ };
struct MicroInterpreter {
  template <typename R>
  MicroInterpreter(const Model*, const R&, MicroAllocator*, MicroResourceVariables*);
  TfLiteStatus AllocateTensors(); TfLiteStatus Invoke(); TfLiteStatus Reset();
  TfLiteTensor* input(int); TfLiteTensor* output(int); };
}
"""
# Of its MicroMutableOpResolver, those that our files may need.
ADDS = (
    *("Add", "AssignVariable", "CallOnce", "Cast", "Concatenation", "FullyConnected", "Less"),
    *("Logistic", "Maximum", "Mul", "Quantize", "ReadVariable", "Relu", "Reshape", "Slice"),
    *(
        "DynamicUpdateSlice",
        "Fill",
        "Softmax",
        "StridedSlice",
        "Sub",
        "Tanh",
        "UnidirectionalSequenceLSTM",
        "VarHandle",
        "While",
    ),
)
CASES = {
    "int8": (),
    "float32": ("--precision", "float32"),
    "int8 streaming": ("--streaming", "--form", "fused", "--target", "tflm"),
    "composed": ("--form", "composed"),
    "composed streaming": ("--streaming", "--form", "composed"),
    "states as inputs": ("--streaming-io", "--precision", "int16x8"),
}


def stubs(place: pathlib.Path) -> None:
    folder = place / "tensorflow" / "lite" / "micro"
    folder.mkdir(parents=True)
    (place / "tensorflow" / "lite" / "schema").mkdir()
    adds = " ".join(f"TfLiteStatus Add{name}();" for name in ADDS)
    (folder / "micro_interpreter.h").write_text(STUB.replace("@ADDS@", adds))
    include = '#include "tensorflow/lite/micro/micro_interpreter.h"\n'
    for name in ("allocator", "mutable_op_resolver", "resource_variable"):
        (folder / f"micro_{name}.h").write_text(include)
    (folder / "system_setup.h").write_text(include)
    (place / "tensorflow" / "lite" / "schema" / "schema_generated.h").write_text(include)


@pytest.mark.parametrize("words", CASES.values(), ids=CASES)
def test_the_folder_has_the_files_bytes_and_operators(
    tmp_path: pathlib.Path, capsys: Captured, words: tuple[str, ...]
) -> None:
    path = write(random_network("lstm", (5, 8), outputs=3), tmp_path / "my net.npz")
    out = tmp_path / "out"
    assert run("export", path, "--formats", "tflite-c", *words, "-o", out, "--json", "--quiet") == 0
    report = json.loads(capsys.readouterr().out)
    tflite, made = report["artifacts"]
    assert (tflite["format"], made["format"]) == ("tflite", "tflite-c")
    folder, file = pathlib.Path(made["path"]), pathlib.Path(tflite["path"])
    assert folder == file.with_name(f"{file.stem}_tflm") and made["fit"] == tflite["fit"]
    texts = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    assert set(texts) == {"my_net_model.h", "my_net_model.cc", "main.cc", "README.md"}
    array = re.findall(r"0x([0-9a-f]{2}),", texts["my_net_model.cc"])
    assert bytes.fromhex("".join(array)) == file.read_bytes()
    assert sum(map(len, texts.values())) == made["bytes"]
    main, operators = texts["main.cc"], facts(file).operators
    assert f"MicroMutableOpResolver<{len(operators)}>" in main
    assert len(re.findall(r"resolver\.Add", main)) == len(operators) == len(set(operators))
    assert f"kVariables = {report['resource_variables']};" in main
    assert f"kStates = {len(report['states'])};" in main
    loses = "int8" in str(file.name) and "fused" in words
    assert all(("loses the state" in text) == loses for text in (main, texts["README.md"]))
    if shutil.which("g++"):
        stubs(tmp_path)
        flags = ["-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", f"-I{tmp_path}"]
        sources = [folder / "main.cc", folder / "my_net_model.cc"]
        subprocess.run(["g++", *flags, *map(str, sources)], check=True)


def test_other_files_are_kept_and_hybrid_is_refused(
    tmp_path: pathlib.Path, capsys: Captured
) -> None:
    path = write(random_network("gru", (5, 8)), tmp_path / "net.npz")
    words: tuple[Any, ...] = ("export", path, "--formats", "tflite-c", "--quiet")
    hybrid = ("--precision", "hybrid", "--device", "rpi-4b", "-o", tmp_path / "none")
    assert run(*words, *hybrid) == 2
    assert "no runtime there runs hybrid" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    out = tmp_path / "out"
    for _ in range(2):
        assert run(*words, "-o", out) == 0
    mine = out / "net_int8_tflm" / "mine.cc"
    mine.write_text("int mine;")
    assert run(*words, "-o", out) == 2
    assert "holds files that were not written with it: mine.cc" in capsys.readouterr().err
    assert mine.exists()
