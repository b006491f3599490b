"""Runs that were kept: a file each in the user's data folder, named by the time it was written."""

import datetime
import json
import pathlib
import re
from collections.abc import Iterator

from edgelstm.errors import ModelError
from edgelstm.files.disk import data_folder, write_whole
from edgelstm.measurement.results import Run
from edgelstm.measurement.stored import load_run

STAMP = "%Y-%m-%dT%H%M%SZ"


def save(run: Run) -> pathlib.Path:
    """Writes a run; the path of its file."""
    folder = data_folder() / "bench"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{folder} cannot be made: {error.strerror}") from None
    now = datetime.datetime.now(datetime.UTC).strftime(STAMP)
    name = re.sub(r"[^\w-]", "_", run.model)[:60]
    path, n = folder / f"{now}_{name}.json", 1
    while path.exists():
        path, n = folder / f"{now}_{name}_{n}.json", n + 1
    write_whole(path, (json.dumps(run.to_dict(), indent=1) + "\n").encode())
    return path


def saved() -> Iterator[tuple[pathlib.Path, Run | str]]:
    """Every run that was kept, oldest first, or what is wrong with its file."""
    for path in sorted((data_folder() / "bench").glob("*.json")):
        try:
            yield path, load_run(path)
        except ModelError as error:
            yield path, str(error)
