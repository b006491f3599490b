"""`compare`: every precision and form of a network, written, checked, measured and estimated."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelstm.arguments import check_type
from edgelstm.comparison import costs
from edgelstm.comparison.calling import called
from edgelstm.comparison.checked import measured_arena, tflite_of, verified
from edgelstm.comparison.choosing import Made, choose
from edgelstm.comparison.measuring import Data, Tell, measure
from edgelstm.comparison.table import Comparison, FileBytes, OnDevice, Row
from edgelstm.comparison.use import TFLM, Use, file_stem, purpose, use_on
from edgelstm.cost.count_ops import count
from edgelstm.cost.energy import estimate
from edgelstm.devices.device import Device, check_exportable, read_device
from edgelstm.errors import ModelError
from edgelstm.execution.backends import compile_kernels, open_engine
from edgelstm.execution.session import Session, run
from edgelstm.files.disk import read_contents, write_contents
from edgelstm.formats import AnyNetwork, encode, has_file
from edgelstm.formats.steps import calibrated_steps
from edgelstm.formats.table import suffix_of
from edgelstm.layers.directions import check_whole_sequence
from edgelstm.measurement import turns
from edgelstm.model.network import Network
from edgelstm.model.precision import FORMS, PRECISIONS
from edgelstm.quantization.calibration import calibration_sequences
from edgelstm.quantization.quantizer import quantize
from edgelstm.verification.fidelity import check_labels

ROUNDS = 100
DEVICES = ("stm32u575", "rpi-5")


def compare(
    network: Network,
    calibration: Any,
    labels: NDArray[Any] | None = None,
    devices: Sequence[str] = DEVICES,
    measure: bool = True,
    *,
    steps: int | None = None,
) -> Comparison:
    """Every precision and form of a network: size, fidelity, exactness, time, energy, use.

    Files are written to a temporary folder and checked in every runtime that is installed.

    Args:
        network: In float32.
        calibration: As `quantize` takes it; fidelity is measured on it too.
        labels: (n,) integers, a class for each of its sequences, which then are arrays of one
            length, in the order given.
        devices: Names, or paths of `.toml` files.
        measure: Whether a step is timed on this machine.
        steps: Of a call of a `.tflite` file; None: those of the longest calibration sequence.

    Raises:
        ModelError: Calibration or labels that do not fit the network, or one that is quantized or
            takes indices.
        DeviceError: A device that is not known.
    """
    check_type(network, Network, "network", "the float32 network is needed")
    if network.indices:
        raise ModelError("compare takes networks of real input; this one takes indices: use export")
    # As they are given: what normalises them in front is part of each network that is compared.
    batches = tuple(calibration_sequences(calibration, network.behind))
    if labels is not None:
        check_labels(network, batches, np.asarray(labels))
    data = Data("file", batches, batches, None if labels is None else np.asarray(labels))
    with tempfile.TemporaryDirectory() as folder:
        where = pathlib.Path(folder)
        return compared(
            network, "network", data, devices, folder=where, steps=steps, measured=measure
        )


def compared(
    network: Network,
    name: str,
    data: Data,
    devices: Iterable[str],
    *,
    folder: pathlib.Path,
    steps: int | None = None,
    measured: bool = True,
    tell: Tell = lambda text: None,
) -> Comparison:
    """The same of data that is read, with the files in a folder.

    Args:
        network, name: In float32, and what its files are called.
        data: For calibration and test.
        devices: Names or paths.
        folder: Where the files are written.
        steps: Of a call of a `.tflite` file.
        measured: Whether a step is timed on this machine.
        tell: Called with what is done now.
    """
    found = [read_device(device) for device in dict.fromkeys(devices)]
    for device in found:
        check_exportable(device)
    n_steps = calibrated_steps(data.steps) if steps is None else steps
    made = [
        _made(network, (precision, form), data, (name, n_steps, folder), found, tell)
        for precision, form in _every()
    ]
    if measured:
        made = _timed(made, data, tell)
    return Comparison(name, n_steps, choose(network, found, made))


def _every() -> Iterator[tuple[str, str | None]]:
    for name, precision in PRECISIONS.items():
        if precision.is_integer:
            yield from (key for key in FORMS if key[0] == name)
        else:
            yield name, None


def _made(
    original: Network,
    kind: tuple[str, str | None],
    data: Data,
    about: tuple[str, int, pathlib.Path],
    devices: Sequence[Device],
    tell: Tell,
) -> Made:
    """Quantized, written, checked and estimated; or the reason why there is no such network."""
    (precision, form), (name, steps, folder) = kind, about
    row, network = Row(precision, form), original
    tell(" ".join(filter(None, ("making", precision, form))))
    try:
        if precision != "float32":
            calibration = list(data.calibration) or None
            network = quantize(original, calibration, precision, form)  # type: ignore[assignment]
    except ModelError as error:
        return Made(network, dataclasses.replace(row, reason=str(error)))
    paths, missing = _written(network, folder / file_stem(name, network), steps)
    files = tuple(_file_bytes(path, network) for path in paths)
    checked = verified(network, paths, tell)
    fidelity = measure(original, network, data, tell)
    labelled = fidelity.float_share if network is original else fidelity.quantized_share
    micro = any(device.kind != "sbc" for device in devices)
    arena = measured_arena(paths, tell) if micro else None
    by_file = tuple(dataclasses.replace(v, artifact=pathlib.Path(v.artifact).name) for v in checked)
    operators = called(network, paths).operators
    used = tuple(use_on(device, network, paths, operators, arena) for device in devices)
    row = dataclasses.replace(
        row,
        files=files,
        snr_db=fidelity.snr_db,
        accuracy=labelled,
        verified=by_file,
        devices=tuple(
            _on(device, network, use, steps, arena)
            for device, use in zip(devices, used, strict=True)
        ),
        reason="; ".join(missing) or None,
    )
    return Made(network, row, used)


def _file_bytes(path: pathlib.Path, network: AnyNetwork) -> FileBytes:
    suffix, size = suffix_of(path), sum(map(len, read_contents(path).values()))
    return FileBytes(suffix.lstrip("._"), size, purpose(network, suffix)[0])


def _written(
    network: AnyNetwork, stem: pathlib.Path, steps: int
) -> tuple[list[pathlib.Path], list[str]]:
    """The files, and why a format has none."""
    paths, missing = list[pathlib.Path](), list[str]()
    folders = ("_c",) if has_file(network, "_c", network.precision) else ()
    for suffix in (*costs.BOARD_FORMATS, *folders):
        path = stem.with_name(stem.name + suffix)
        try:
            write_contents(path, encode(network, suffix, steps=steps, name=path.name))
        except ModelError as error:
            missing.append(f"{suffix[1:]}: {error}")
        else:
            paths.append(path)
    return paths, missing


def _on(device: Device, network: AnyNetwork, use: Use, steps: int, arena: int | None) -> OnDevice:
    counts = count(network, precision=network.precision)
    energy = estimate(counts, device, costs.kernels_of(counts, device, use.runtime))
    path = tflite_of([pathlib.Path(use.artifact)]) if use.artifact and use.runtime == TFLM else None
    fit = costs.fitted(
        network,
        counts,
        device,
        steps,
        runtime=costs.RUNTIMES[energy.kernels],
        measured_bytes=arena if path else None,
        file_bytes=path.stat().st_size if path else None,
    )
    return OnDevice(device.name, fit, energy, None, "")


def _timed(made: Sequence[Made], data: Data, tell: Tell) -> list[Made]:
    """With the median of rounds in which each network has its turn."""
    runs = [one for one in made if one.row.devices]
    for one in runs:
        compile_kernels(open_engine(None, one.network, None).kernels(), tell)
    tell("measuring time")
    calls, steps = zip(*(_call(one.network, data) for one in runs), strict=True)
    times = np.median(turns.cpu_microseconds(calls, ROUNDS), axis=0) / steps
    by_row = {id(one): float(us) for one, us in zip(runs, times, strict=True)}
    return [
        dataclasses.replace(
            one, row=dataclasses.replace(one.row, measured_us_per_step=by_row.get(id(one)))
        )
        for one in made
    ]


def _call(network: AnyNetwork, data: Data) -> tuple[Callable[[], Any], int]:
    """A step, or a sequence where no step can be computed alone, and how many steps that is."""
    x = data.tested[0][0]
    try:
        check_whole_sequence(network.layers)
    except ModelError:
        return lambda: run(network, x), len(x)
    session = Session(network)
    out = session.step(x[0])
    return lambda: session.step(x[0], out=out), 1
