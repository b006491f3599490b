"""read and write by suffix: whole files or none, and errors that say what is possible."""

import dataclasses
import os
import re
from pathlib import Path

import pytest

from edgelstm.errors import ModelError
from edgelstm.formats import encode, facts, read, write
from edgelstm.formats.steps import LONGEST_CALL, default_steps
from edgelstm.formats.table import FORMATS
from edgelstm.quantization.quantizer import quantize
from tests.networks import random_input, random_network


@pytest.mark.parametrize("suffix", [s for s, known in FORMATS.items() if not known.is_folder])
def test_absent_files_folders_and_garbage_are_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    with pytest.raises(ModelError, match="does not exist"):
        read(path)
    path.mkdir()
    with pytest.raises(ModelError, match="is a folder"):
        read(path)
    path.rmdir()
    for content in (b"", b"\0" * 100, os.urandom(5000)):
        path.write_bytes(content)
        with pytest.raises(ModelError) as caught:
            read(path)
        assert path.name in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_suffixes_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"'.h6' are not read; these are: .safetensors, .pt"):
        read(tmp_path / "net.h6")
    with pytest.raises(ModelError, match=r"'.pt' are not written; these are: .npz, .onnx, .tflite"):
        write(random_network(), tmp_path / "net.pt")
    with pytest.raises(ModelError, match=r"'.npz' are not run; these are: .onnx, .tflite"):
        facts(tmp_path / "net.npz")


def test_default_steps_are_those_of_calibration(tmp_path: Path) -> None:
    network = random_network("lstm", (5, 8))
    quantized = quantize(network, random_input(network, 2, 17))
    assert default_steps(network, streaming=False) == 100
    assert default_steps(quantized, streaming=False) == 17
    recording = dataclasses.replace(quantized, steps=LONGEST_CALL + 1)
    assert default_steps(recording, streaming=False) == 100
    assert default_steps(dataclasses.replace(recording, steps=LONGEST_CALL), False) == LONGEST_CALL
    assert facts(write(quantized, tmp_path / "net.tflite")).steps == 17
    assert facts(write(quantized, tmp_path / "net.tflite", streaming=True)).streaming
    with pytest.raises(ModelError, match=re.escape("steps is 0; it must be from 1 to 100,000")):
        write(network, tmp_path / "net.tflite", steps=0)
    with pytest.raises(ModelError, match="or left out, when streaming"):
        write(network, tmp_path / "net.tflite", steps=5, streaming=True)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written: No such file or directory"):
        write(random_network(), tmp_path / "absent" / "net.npz")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="Not a directory"):
        write(random_network(), tmp_path / "file" / "net.npz")


@pytest.mark.parametrize(
    ("suffix", "target", "expected"),
    [
        (".onnx", "tflm", "target 'tflm' reads .tflite, not .onnx"),
        (".tflite", "onnxruntime", "target 'onnxruntime' reads .onnx, not .tflite"),
        (".onnx", "tensorrt", "target 'tensorrt' is unknown; known: onnxruntime, tflm, cmsis-nn"),
    ],
)
def test_targets_that_do_not_read_the_format_are_refused(
    suffix: str, target: str, expected: str
) -> None:
    with pytest.raises(ModelError, match=re.escape(expected)):
        encode(random_network(), suffix, target=target)
