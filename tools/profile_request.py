"""What `profile` was asked for, and the networks that this means."""

import dataclasses
import pathlib

from edgelstm import bundled
from edgelstm.comparison import costs
from edgelstm.errors import ModelError
from edgelstm.formats import AnyNetwork
from edgelstm.model.network import Network
from edgelstm.model.sizes import shapes
from edgelstm.tools.request import Request, read_network


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """A network and its name; steps of a call; bytes of its `.tflite` file, None without one."""

    network: AnyNetwork
    name: str
    steps: int
    file_bytes: int | None = None


@dataclasses.dataclass(frozen=True)
class Shape:
    """`--cell --input --hidden --layers --projection --outputs`; None where not given."""

    cell: str | None = None
    input: int | None = None
    hidden: int | None = None
    layers: int | None = None
    projection: int | None = None
    outputs: int | None = None


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of the command; None where not given."""

    models: tuple[pathlib.Path, ...] = ()
    shape: Shape = Shape()
    devices: tuple[str, ...] = ()
    precision: str | None = None
    steps: int | None = None
    kernels: str | None = None
    clock_mhz: float | None = None
    cores: int = 1
    period_ms: float | None = None
    sleep: str | None = None
    battery: str | None = None
    head: str | None = None
    activation: str | None = None
    order: tuple[str, ...] | None = None
    compare_counters: bool = False
    csv: bool = False
    html: pathlib.Path | None = None
    explain: bool = False


def read_given(options: Options) -> list[Given]:
    """The networks: of files, sizes, or the bundled one."""
    if options.shape != Shape():
        network, name = _from_shape(options)
        return [Given(network, name, costs.call_steps(network, None, options.steps))]
    if len(options.models) > 2:
        raise ModelError(f"{len(options.models)} models are given; at most 2 stand side by side")
    return [_from_file(path, options) for path in options.models or (None,)]


def _from_file(path: pathlib.Path | None, options: Options) -> Given:
    request = Request(
        model=path,
        precision=options.precision,
        head=options.head,
        activation=options.activation,
        order=options.order,
    )
    network, name = read_network(request)
    steps = options.steps
    if path is None and steps is None:
        steps = bundled.demo_data().calibration.shape[1]
    is_tflite = path is not None and path.suffix.lower() == ".tflite"
    size = path.stat().st_size if path and is_tflite else None
    return Given(network, name, costs.call_steps(network, path if is_tflite else None, steps), size)


def _from_shape(options: Options) -> tuple[Network, str]:
    if options.models or options.head or options.activation or options.order:
        raise ModelError(
            "a MODEL, --head, --activation and --order do not go with sizes such as --hidden"
        )
    shape = options.shape
    cell, inputs, hidden = shape.cell, shape.input, shape.hidden
    if cell is None or inputs is None or hidden is None:
        needed = {"--cell": cell, "--input": inputs, "--hidden": hidden}
        missing = ", ".join(name for name, given in needed.items() if given is None)
        raise ModelError(f"{missing} missing: a network from sizes needs all three")
    network = shapes(
        cell,
        inputs,
        hidden,
        layers=1 if shape.layers is None else shape.layers,
        projection=shape.projection,
        outputs=shape.outputs,
    )
    more = {"layers": shape.layers, "projection": shape.projection, "outputs": shape.outputs}
    rest = "".join(f"_{name}{size}" for name, size in more.items() if size is not None)
    return network, f"{cell}_{inputs}_{hidden}{rest}"
