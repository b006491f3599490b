"""What users give in place of a file that is read: the error says what it is, and the way out."""

from pathlib import Path

import pytest

from edgelstm.errors import ModelError
from edgelstm.formats import read
from edgelstm.formats.elsewhere import WAYS_OUT
from edgelstm.formats.table import FORMATS


@pytest.mark.parametrize(
    "name, words",
    [
        ("net.pb", r"not read; these are: .*; save it as .keras where it was made: tf.keras"),
        ("net.HDF5", "type '.HDF5' are not read; .* if Keras wrote it, rename it to .h5"),
        ("net.pkl", "pickled objects are never loaded; save the weights .*state_dict"),
        ("net.joblib", "pickled objects are never loaded"),
        ("net.pt2", "save the weights where it was made: torch.save"),
        ("net.csv", "that is data, which goes to --calibration; give a trained network"),
        ("net.zip", "unpack it and give the file inside"),
        ("net.unknown", "type '.unknown' are not read; these are: [^;]*$"),
        ("https://example.com/net.onnx", "is an address; download the file and give its name"),
        ("s3://bucket/net.onnx", "is an address; download"),
        (".", "is a folder, not a file; give the file in it"),
    ],
)
def test_the_way_out_stands_in_the_error(name: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        read(name)


def test_folders_of_tensorflow_are_known(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ModelError, match="is a SavedModel of TensorFlow; save it as .keras"):
        read(tmp_path)


def test_no_suffix_that_is_read_is_sent_elsewhere() -> None:
    assert not set(FORMATS) & {suffix for suffixes in WAYS_OUT for suffix in suffixes}
