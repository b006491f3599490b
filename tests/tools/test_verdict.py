"""What commands say first: the verdict, one row per device, and notes for those who ask."""

import re
from pathlib import Path

import pytest

from edgelstm.cost.memory import Fit
from edgelstm.devices.device import device_names
from edgelstm.formats import write
from edgelstm.tools import output, profile_tables, side_by_side, verdict
from edgelstm.tools.profile_request import Options, Shape
from edgelstm.tools.profiler import main
from tests.networks import random_network
from tests.tools.reports import answer
from tests.tools.test_cli import Captured, run

NINE = (
    *("stm32u575", "rpi-4b", "esp32s3", "stm32f446", "stm32f429", "esp8266", "nrf52840"),
    *("rp2040", "rpi-3b-plus"),
)
EXPLAIN = "`--explain` tells what the figures stand on"


def told(capsys: Captured, *words: object) -> str:
    run(*words)
    return capsys.readouterr().out


def paragraphs(text: str) -> list[list[str]]:
    return [[line.rstrip() for line in part.splitlines()] for part in text.split("\n\n")]


def test_profile_answers_in_its_first_lines(capsys: Captured) -> None:
    words = ("profile", "--period-ms", 100, "--battery", "cr2032", "--sleep", "deep")
    heading, answer, *_ = paragraphs(told(capsys, *words))
    assert heading == ["japanese_vowels  int8, on stm32u575: cortex-m33, 160 MHz, kernels 'tflm'"]
    names = [re.split("  +", line)[0] for line in answer]
    expected = ["fits", "time", "energy of the chip", "basis", "keeps up", "CR2032, deep"]
    assert names == expected
    assert re.search(r"yes: flash [\d,]+ B of 2,097,152 B \(.*\), RAM [\d,]+ B of", answer[0])
    assert re.search(r"us \(.*\) a step, .* ms \(.*\) an inference of 29 steps", answer[1])
    assert answer[-1].endswith(")") and " days (" in answer[-1]


def test_export_answers_first_and_says_what_accuracy_is_lost(
    tmp_path: Path, capsys: Captured
) -> None:
    _, answer, files, *_ = paragraphs(told(capsys, "export", "-o", tmp_path))
    assert files[0] == "Files"
    lost = next(line for line in answer if line.startswith("accuracy lost"))
    points, *shares = map(float, re.findall(r"([\d.]+)(?:%| points)", lost))
    assert points == pytest.approx(shares[0] - shares[1], abs=0.011)  # of figures rounded to 0.01
    assert re.search("an inference of 29 steps", " ".join(" ".join(answer).split()))


@pytest.mark.parametrize("command", ["export", "profile"])
def test_notes_are_for_those_who_ask(command: str, tmp_path: Path, capsys: Captured) -> None:
    words = (command, *(("-o", tmp_path, "--formats", "tflite") if command == "export" else ()))
    short, long = told(capsys, *words), told(capsys, *words, "--explain")
    assert short.count(EXPLAIN) == 1 and EXPLAIN not in long
    for note in ("note: fit: flash: ", "note: time and energy: gross: nothing is subtracted"):
        assert note in long and note not in short
    assert short.splitlines()[:6] == long.splitlines()[:6]


def test_what_must_be_known_needs_no_asking(tmp_path: Path, capsys: Captured) -> None:
    path = write(random_network("gru", (5, 8), outputs=3), tmp_path / "gru.npz")
    got = told(capsys, "export", path, "--device", "stm32u575", "-o", tmp_path / "out")
    text = " ".join(got.split())
    assert "note: gru_int8.onnx: not for speed: lookup tables" in text
    micro, board = got.splitlines()[-2:]
    assert micro.startswith("for a microcontroller: flash gru_int8.tflite (runtime: TFLM, ")
    assert board.startswith("for a Raspberry Pi: none of these files; hybrid or float32 is faster")
    got = told(capsys, "profile", "--device", "stm32f429")
    assert "energy of the chip  not known: stm32f429: power is not known" in got


def test_what_a_file_did_not_say_is_told_once(capsys: Captured) -> None:
    profile_tables._print_assumed(["the head reads the last step"] * 2)
    assert capsys.readouterr().out == "assumed: the head reads the last step\n\n"


@pytest.mark.parametrize("room", [80, 100])
def test_nine_devices_are_nine_rows_under_whole_headings(
    room: int, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "WIDTH", room)
    options = Options(devices=NINE, period_ms=100, battery="cr2032")
    main(options, as_json=False, quiet=False)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= room
    assert lines[0] == "japanese_vowels"
    assert " ".join(lines[1].split()) == "RAM, B time, us energy, uJ days, days,"
    assert " ".join(lines[2].split()) == "fits flash, B a step a step deep clocks-on"
    end = lines.index("")
    rows = [line.split() for line in lines[3:end] if line.split()[0] in NINE]
    assert [row[0] for row in rows] == list(NINE)
    assert all(row[1] == "yes" for row in rows)
    assert lines[end + 1].startswith("kernels 'tflm': stm32u575, esp32s3")
    assert sum("stm32f429, esp8266: power is not known" in line for line in lines) == 1
    assert sum(line.startswith("lstm1: lstm 12 -> 48") for line in lines) == 1
    assert len(lines) < 100


def test_details_of_each_device_are_for_those_who_ask(capsys: Captured) -> None:
    words = ("profile", "--device", "stm32u575", "--device", "rpi-4b")
    short, long = told(capsys, *words), told(capsys, *words, "--explain")
    assert "Traffic per step" not in short and long.count("Traffic per step") == 2
    assert "rpi-4b  cortex-a72, 1,800 MHz" in long
    assert long.count("lstm1: lstm 12 -> 48") == short.count("lstm1: lstm 12 -> 48") == 1


def test_every_device_stands_in_one_table(capsys: Captured) -> None:
    options = Options(shape=Shape("gru", 9, 11, outputs=4), devices=tuple(device_names()))
    main(options, as_json=False, quiet=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    rows = [line.split()[0] for line in lines[3 : lines.index("")] if line[0] != " "]
    assert [row for row in rows if row in device_names()] == device_names()


def test_energy_says_whose_it_is_and_two_models_have_two_names(
    tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "b").mkdir()
    paths = [
        write(random_network("lstm", (3, 4)), folder / "a.npz")
        for folder in (tmp_path, tmp_path / "b")
    ]
    got = told(capsys, "profile", *paths, "--precision", "int8")
    assert [line[:4].strip() for line in got.splitlines()[3:7]] == ["1 a", "int8", "2 a", "int8"]
    assert got.count(" chip") == 2 and " board" not in got


def test_columns_name_what_differs() -> None:
    def names(*pairs: tuple[str, str]) -> list[str]:
        return side_by_side.columns([answer(model=m, device=d) for m, d in pairs])

    assert names(("m", "a"), ("m", "b")) == ["a", "b"]
    assert names(("m", "a"), ("n", "a")) == ["m", "n"]
    assert names(("m", "a"), ("n", "b")) == ["m on a", "n on b"]
    assert names(("m", "a"), ("m", "a")) == ["1 m", "2 m"]


@pytest.mark.parametrize("fits, expected", [(True, "yes"), (False, "NO"), (None, "not known")])
def test_the_fit_names_what_is_needed_of_what_there_is(fits: bool | None, expected: str) -> None:
    fit = Fit(fits, 50, 200, 3000, 4000, "")
    assert (
        verdict.fits(fit)
        == f"{expected}: flash 50 B of 200 B (25 %), RAM 3,000 B of 4,000 B (75 %)"
    )
    fit = Fit(None, None, None, 3000, None, "")
    assert verdict.fits(fit) == "not known: RAM 3,000 B; the device's memory is not known"
