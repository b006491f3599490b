"""`edgelstm verify`: written files in their runtimes, against what this machine computes."""

import pathlib
import tempfile
from collections.abc import Sequence

from edgelstm import bundled
from edgelstm.errors import ModelError
from edgelstm.formats import read, write
from edgelstm.formats.table import FORMATS, check_suffix, suffix_of
from edgelstm.formats.tensors import at
from edgelstm.installed import is_installed
from edgelstm.printable import printable_texts
from edgelstm.quantization.quantizer import quantize
from edgelstm.tools import output, tables
from edgelstm.tools.output import Tell
from edgelstm.verification.results import FAILED, Verification
from edgelstm.verification.verifier import verify


def main(
    files: Sequence[pathlib.Path],
    n_sequences: int | None,
    steps: int | None,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Runs the command; returns its exit code. Without files: the bundled model in int8.

    What cannot be read is an error before anything is computed, and all of it is named.
    """
    _check(files)
    with output.progress(quiet) as tell, tempfile.TemporaryDirectory() as folder:
        chosen = list(files) or _bundled_files(pathlib.Path(folder), tell)
        done = [_verify(path, n_sequences, steps, tell) for path in chosen]
    found = Verification(tuple(v for verification in done for v in verification.verified))
    if as_json:
        output.print_json(found.to_dict())
    elif not quiet:
        tables.print_verified(printable_texts(found.verified))
    failures = [
        f"{v.artifact} in {v.runtime}: {v.reason}" for v in found.verified if v.status in FAILED
    ]
    if not failures and not any(v.values for v in found.verified):
        failures.append("no value was checked: `edgelstm doctor` says how to install the runtimes")
    return output.exit_code(failures)


def _check(files: Sequence[pathlib.Path]) -> None:
    wrong = []
    for path in files:
        try:
            if suffix_of(path) not in FORMATS:
                with at(str(path)):
                    check_suffix(suffix_of(path), "facts")
            read(path)
        except ModelError as error:
            wrong.append(str(error))
    if wrong:
        raise ModelError("; ".join(wrong))


def _bundled_files(folder: pathlib.Path, tell: Tell) -> list[pathlib.Path]:
    tell(f"writing {bundled.NAME}")
    network = quantize(bundled.demo(), bundled.demo_data().calibration)
    suffixes = ("tflite", "onnx") if is_installed("onnx") else ("tflite",)
    return [write(network, folder / f"{bundled.NAME}_int8.{s}") for s in suffixes]


def _verify(
    path: pathlib.Path, n_sequences: int | None, steps: int | None, tell: Tell
) -> Verification:
    return verify(
        path,
        n_sequences=n_sequences,
        steps=steps,
        tell=lambda file, runtime: tell(f"checking {file} in {runtime}"),
    )
