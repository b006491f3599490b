"""Mutated files through every door: `python -m tests.fuzz DOOR COUNT SEED`.

`doors.py` says what a door is and makes its good files, `mutations.py` breaks them, `using.py` does
with an accepted file what users do, `child.py` takes many files in a process of its own, `parts.py`
watches two of those and counts.
"""
