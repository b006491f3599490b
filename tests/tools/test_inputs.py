"""Tables of calibration data as spreadsheets and loggers write them: read, or told what to do."""

from pathlib import Path

import numpy as np
import pytest

from edgelstm.errors import ModelError
from edgelstm.tools.inputs import read_sequences

REFUSED = {
    "names": ("ax,ay\n1,2\n3,4\n", r"line 1 holds names \('ax'\); remove that line"),
    "quoted names": ('"ax","ay"\n1,2\n', "line 1 holds names"),
    "names behind a number": ("0,ay\n1,2\n", r"line 1 holds names \('ay'\)"),
    "semicolons": ("1.5;2\n3;4\n", "split by semicolons; save it with commas and points"),
    "one line": ("1;2", "split by semicolons;"),
    "decimal commas": ("1,5;2,5\n1;2,5\n", "split by semicolons, with commas inside of numbers;"),
    "names and semicolons": ("ax;ay\n1,5;2,5\n", "split by semicolons"),
    "tabs": ("1\t2\n3\t4\n", "split by tabs;"),
    "spaces": ("1 2\n3 4\n", "split by spaces;"),
    "times": ("10:00,2\n10:01,3\n", "could not convert string '10:00' .*; remove or repair it"),
    "a gap": ("1,,3\n1,2,3\n", "could not convert string '' .*; remove or repair it"),
    "a short line": ("1,2\n1\n", "changed from 2 to 1 at row 2; remove or repair it"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_tables_in_another_form_are_told_how_to_be_saved(kind: str, tmp_path: Path) -> None:
    text, words = REFUSED[kind]
    (path := tmp_path / "x.csv").write_text(text)
    with pytest.raises(ModelError, match=f"x.csv: not a table of numbers, .*{words}"):
        read_sequences(path, 2)


def test_text_of_another_encoding_is_named(tmp_path: Path) -> None:
    (path := tmp_path / "x.csv").write_bytes("1,2\n".encode("utf-16"))
    with pytest.raises(ModelError, match="it is not UTF-8 text; save it as UTF-8"):
        read_sequences(path, 2)


@pytest.mark.parametrize("text", ["1,2\n3,4\n", "1, 2\r\n3, 4\r\n", "\ufeff1,2\n\n3,4"])
def test_commas_with_spaces_a_mark_of_utf8_and_empty_lines_are_read(
    text: str, tmp_path: Path
) -> None:
    (path := tmp_path / "x.csv").write_bytes(text.encode())
    np.testing.assert_array_equal(read_sequences(path, 2), [[[1, 2], [3, 4]]])
