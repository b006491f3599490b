"""Mutants, counted by hand; a survivor and a killed one in the whole run."""

import json
from pathlib import Path

import pytest

from tests.mutation import __main__ as command
from tests.mutation.mutants import Mutant, drawn, mutants


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("y = a < b < c", ["y = a <= b < c", "y = a < b <= c"]),
        ("y = a // b", ["y = a * b"]),
        ("y = (a - b) * c", ["y = (a - b) / c", "y = (a + b) * c"]),
        ("y = not a", ["y = a"]),
        ("y = -1", ["y = 1", "y = -2"]),
        ("y = min(a, True)", ["y = max(a, True)", "y = min(a, False)"]),
        ("y = a and b in c", ["y = a or b in c", "y = a and b not in c"]),
        ("y = 0 if a else b", ["y = 1 if a else b", "y = 0 if not a else b"]),
        ("y = 0.5", ["y = 1.5"]),
        ("check(a)", ["pass"]),
        ("@frozen(True)\ndef f(x: a | b = None) -> a | b:\n    'doc'", []),
        ("y = f'{a + b}'", ["y = f'{a - b}'"]),
    ],
)
def test_each_place_is_changed_once(source: str, expected: list[str]) -> None:
    assert sorted(m.source for m in mutants(source)) == sorted(expected)


def test_names_are_places_and_no_two_are_the_same() -> None:
    found = mutants("a = 1\nif a == 1:\n    b = 1 + 1")
    assert "2:3: a == 1 -> a != 1" in [m.name for m in found]
    assert len({m.name for m in found}) == len(found) == 7


def test_a_seed_draws_the_same_mutants() -> None:
    found = [Mutant(str(k), "") for k in range(100)]
    assert drawn(found, 60, "1 f.py") == drawn(found, 60, "1 f.py") != drawn(found, 60, "2 f.py")
    assert len(set(drawn(found, 60, "1 f.py"))) == 60 and len(drawn(found[:5], 60, "1")) == 5


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of one module; of its two comparisons a test sees the first alone."""
    root = tmp_path / "root"
    (root / "code_/part").mkdir(parents=True)
    (root / "tests/part").mkdir(parents=True)
    source = "def low(x):\n    return x < 3\n\n\ndef high(x):\n    return x > 7\n"
    (root / "code_/part/one.py").write_text(source)
    (root / "tests/part/test_one.py").write_text(
        "from code_.part.one import low\n\n\ndef test_low():\n    assert low(2) and not low(3)\n"
    )
    plugin = Path(command.__file__).parent
    (root / "tests/mutation").mkdir()
    for name in ("__init__.py", "plugin.py"):
        (root / "tests/mutation" / name).write_bytes((plugin / name).read_bytes())
    monkeypatch.setattr(command, "ROOT", root)
    monkeypatch.setattr(command, "WORKERS", 1)
    return root


@pytest.mark.slow
def test_a_run_lists_survivors_and_goes_on_where_it_was_ended(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, results = "code_/part/one.py", tmp_path / "results.json"
    before = (tree / file).read_text()
    assert command.told(command.run(results, [file]), [file]) == [
        f"{file}: 2 of 4 died",
        f"    {file}:6:11: x > 7 -> x >= 7",
        f"    {file}:6:15: 7 -> 8",
    ]
    assert (tree / file).read_text() == before
    kept = json.loads(results.read_text())
    del kept[file]["outcomes"]["2:11: x < 3 -> x <= 3"]
    results.write_text(json.dumps(kept))
    capsys.readouterr()
    command.run(results, [file])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("killed") and "x < 3 -> x <= 3" in line
    with (tree / "tests/part/test_one.py").open("a") as test:
        test.write("\n\ndef test_high():\n    from code_.part.one import high\n\n")
        test.write("    assert high(8) and not high(7)\n")
    assert command.told(command.run(results, [file]), [file]) == [f"{file}: 4 of 4 died"]
    assert len(capsys.readouterr().out.splitlines()) == 2  # the survivors alone


@pytest.mark.slow
def test_a_mutant_that_hangs_is_ended(tree: Path, tmp_path: Path) -> None:
    (tree / "code_/part/one.py").write_text("low = lambda x: x < 3\nwhile 1 > 2:\n    pass\n")
    copy = command.Copy(tree, tmp_path / "kernels")
    assert copy.test("code_/part/one.py")[0] == command.SURVIVED
    (tree / "code_/part/one.py").write_text("while not 1 > 2:\n    pass\n")
    assert copy.test("code_/part/one.py", 8)[0] == command.TIMEOUT


@pytest.mark.slow
def test_tests_that_fail_without_a_mutant_are_said(tree: Path, tmp_path: Path) -> None:
    (tree / "tests/part/test_one.py").write_text("def test_wrong():\n    assert 1 == 2\n")
    with pytest.raises(SystemExit, match="the tests fail without a mutant:[^!]*assert 1 == 2"):
        command.run(tmp_path / "results.json", ["code_/part/one.py"])
