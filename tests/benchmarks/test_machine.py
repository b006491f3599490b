"""What measured figures belong to."""

from benchmarks.machine import machine


def test_the_machine_is_named() -> None:
    found = machine()
    assert set(found) == {"cpu", "code_for", "instruction_set", "load"}
    assert found["code_for"] and found["instruction_set"]
