"""Options of commands, each declared once; nothing heavy is imported here."""

from pathlib import Path
from typing import Annotated

import typer

from edgelstm.tools import completion

# ---- of both, and of other commands

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable result on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no tables.")]
Kernels = Annotated[
    str | None,
    typer.Option(
        help="Whose code: tflm, tflm-unrolled, cmsis-nn, published, ...",
        autocompletion=completion.kernels,
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        help="int8, int16x8, hybrid, float32; by device and cell if absent.",
        autocompletion=completion.precisions,
    ),
]

Form = Annotated[
    str | None,
    typer.Option(help="Of integers: fused or composed.", autocompletion=completion.forms),
]

Explain = Annotated[bool, typer.Option("--explain", help="Also what the figures stand on.")]

Head = Annotated[str | None, typer.Option(help="Dense head reads: last or each.")]
Activation = Annotated[str | None, typer.Option(help="Of a head: relu sigmoid tanh softmax.")]
Order = Annotated[str | None, typer.Option(help="Of the layers, by their names in the file.")]

# ---- of export

Model = Annotated[Path | None, typer.Argument(help="Trained network; bundled one if absent.")]
Device = Annotated[
    str | None,
    typer.Option(help="See `edgelstm devices`; or a .toml.", autocompletion=completion.devices),
]
Out = Annotated[Path, typer.Option("-o", "--out", help="Output folder.")]
Formats = Annotated[
    str | None,
    typer.Option(
        help="tflite,onnx,npz,c,tflite-c; the first two if absent.",
        autocompletion=completion.formats,
    ),
]
Target = Annotated[
    str | None,
    typer.Option(help="Runtime whose refusals are errors.", autocompletion=completion.targets),
]
Calibration = Annotated[Path | None, typer.Option(help="Typical input: .npy .npz .csv")]
Labels = Annotated[Path | None, typer.Option(help="A class per sequence: .npy")]
FileSteps = Annotated[int | None, typer.Option(help="Time steps of a .tflite file.")]
Streaming = Annotated[bool, typer.Option("--streaming", help="One step a call.")]
StreamingIo = Annotated[
    bool, typer.Option("--streaming-io", help="The same, states as inputs and outputs.")
]

Nodes = Annotated[
    list[str] | None,
    typer.Option("--node", help="Of a larger .onnx: that node alone; several in a row."),
]

# ---- of compare

Kept = Annotated[
    Path | None, typer.Option("-o", "--out", help="Keep the files there; none are kept if absent.")
]
ComparedDevices = Annotated[
    list[str] | None,
    typer.Option(
        help="Several allowed; stm32u575 and rpi-5 if absent.", autocompletion=completion.devices
    ),
]

# ---- of bench

EmulatedCores = Annotated[
    list[str] | None,
    typer.Option(
        "--core",
        help="Counted, not timed: cortex-m4, rv32imc, ...",
        autocompletion=completion.cores,
    ),
]

# ---- of profile

Models = Annotated[
    list[Path] | None, typer.Argument(help="Network, or two; bundled one if absent.")
]
Devices = Annotated[
    list[str] | None,
    typer.Option(help="Several allowed; or a .toml.", autocompletion=completion.devices),
]
Cell = Annotated[
    str | None,
    typer.Option(help="Instead of MODEL: a network from sizes.", autocompletion=completion.cells),
]
InputSize = Annotated[int | None, typer.Option("--input", help="Inputs, with --cell.")]
Hidden = Annotated[int | None, typer.Option(help="Units, with --cell.")]
Layers = Annotated[int | None, typer.Option(help="Recurrent layers, with --cell.")]
Projection = Annotated[int | None, typer.Option(help="Size of h, with --cell lstm...")]
Outputs = Annotated[int | None, typer.Option(help="Of a dense head, with --cell.")]
ProfiledPrecision = Annotated[
    str | None,
    typer.Option(help="The model's, else by device.", autocompletion=completion.precisions),
]
CountedSteps = Annotated[int | None, typer.Option(help="Also count a sequence.")]
ClockMhz = Annotated[float | None, typer.Option(help="Up to the device's clock.")]
Cores = Annotated[int, typer.Option(help="Of a Raspberry Pi.")]
PeriodMs = Annotated[float | None, typer.Option(help="From step to step.")]
Sleep = Annotated[
    str | None,
    typer.Option(help="deep or clocks-on; both if absent.", autocompletion=completion.sleeps),
]
Battery = Annotated[
    str | None,
    typer.Option(help="cr2032, or a charge in mAh.", autocompletion=completion.batteries),
]
CompareCounters = Annotated[
    bool, typer.Option("--compare-counters", help="What other tools would print.")
]
AsCsv = Annotated[bool, typer.Option("--csv", help="A table on standard output.")]
Html = Annotated[Path | None, typer.Option(help="Write one page that works offline.")]

# ---- of bench

Engines = Annotated[str | None, typer.Option(help="numba,litert,...; all installed if absent.")]
Precisions = Annotated[
    str | None,
    typer.Option(
        "--precision", help="int8,float32,...; all if absent.", autocompletion=completion.precisions
    ),
]
Seconds = Annotated[float, typer.Option(help="For turns and paced steps together.")]
SequenceSteps = Annotated[int | None, typer.Option("--steps", help="Of a sequence.")]
Cpu = Annotated[int | None, typer.Option(help="Which core; the last allowed one if absent.")]
Threads = Annotated[int, typer.Option(help="Of each engine.")]
Seed = Annotated[int, typer.Option(help="Of the order of turns.")]
OwnDevice = Annotated[
    str | None,
    typer.Option(
        "--device", help="Predicted beside; by board if absent.", autocompletion=completion.devices
    ),
]
Save = Annotated[bool, typer.Option("--save", help="Keep the run in your data folder.")]
History = Annotated[bool, typer.Option("--history", help="In place of measuring: what was kept.")]
Compare = Annotated[
    tuple[Path, Path] | None,
    typer.Option(help="In place of measuring: two files of --json."),
]
Tolerance = Annotated[float, typer.Option(help="Percent, of --compare.")]
Calibrate = Annotated[
    bool, typer.Option("--calibrate", help="In place of measuring: a device file of this machine.")
]
Remote = Annotated[str | None, typer.Option(help="user@host: there, over ssh.")]
DeviceOut = Annotated[Path | None, typer.Option("-o", help="Where --calibrate also writes: .toml")]
Power = Annotated[
    str | None,
    typer.Option(help="none auto joulescope pmic hwmon rapl battery csv:FILE; takes minutes."),
]
Trigger = Annotated[
    str | None, typer.Option(help="Pin that is high in windows of --power: gpiochip0:17.")
]
PowerEngines = Annotated[
    str | None, typer.Option(help="Energies of these; the fastest per precision if absent.")
]

# ---- of search

Cells = Annotated[
    str, typer.Option("--cell", help="Of every layer.", autocompletion=completion.cells)
]
HiddenSizes = Annotated[str, typer.Option("--hidden", help="Units: 8,16 or FIRST:LAST:STEP.")]
LayerCounts = Annotated[str, typer.Option("--layers", help="Recurrent ones: 1,2 or FIRST:LAST.")]
SpacePrecisions = Annotated[
    str | None,
    typer.Option(
        "--precision",
        help="int8,...; int8 if absent, hybrid for Raspberry Pis alone.",
        autocompletion=completion.precisions,
    ),
]
Projections = Annotated[str | None, typer.Option("--projection", help="Sizes of h, of LSTMs.")]
Bidirectional = Annotated[bool, typer.Option("--bidirectional", help="Try two directions too.")]
DataInputs = Annotated[int | None, typer.Option("--input", help="Inputs; the data's if absent.")]
DataOutputs = Annotated[int | None, typer.Option("--outputs", help="The data's if absent.")]
DataSteps = Annotated[int | None, typer.Option("--steps", help="Of a call; the data's if absent.")]
OneSleep = Annotated[
    str,
    typer.Option("--sleep", help="deep or clocks-on.", autocompletion=completion.sleeps),
]
Objectives = Annotated[str, typer.Option(help="Of accuracy energy latency flash ram.")]
MaxEnergyUj = Annotated[float | None, typer.Option(help="Of a period, else of a step.")]
MaxLatencyUs = Annotated[float | None, typer.Option(help="Of a step.")]
Costs = Annotated[bool, typer.Option("--costs", help="Stop after the costs; needs no data.")]
SearchData = Annotated[
    Path | None, typer.Option("--data", help=".npz of x, y, ...; the bundled series if absent.")
]
Train = Annotated[str | None, typer.Option(help="MODULE:FUNCTION, a trainer of your own.")]
Budget = Annotated[int, typer.Option(help="Trainings at most.")]
Epochs = Annotated[int, typer.Option(help="Of each training.")]
Block = Annotated[int, typer.Option(help="Trainings between two choices.")]
SearchSeed = Annotated[int, typer.Option("--seed", help="Of split, choice and trainings.")]
Repeats = Annotated[int, typer.Option(help="How often the front is trained.")]
TimeoutS = Annotated[float, typer.Option(help="Of one training, on this machine.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Begin anew; the log is written over.")]
WorkerCount = Annotated[
    int | None, typer.Option("--workers", help="Processes; cores, at most the block, if absent.")
]
Engine = Annotated[str | None, typer.Option(help="dask://HOST:PORT or ray://HOST:PORT.")]
MinAccuracy = Annotated[float | None, typer.Option(help="Of the chosen one: 0.95")]
MaxRmse = Annotated[float | None, typer.Option(help="The same where y is real.")]
Pick = Annotated[str, typer.Option(help="knee, cheapest or best.", autocompletion=completion.picks)]
SearchOut = Annotated[Path, typer.Option("-o", "--out", help="Log, weights, front, files.")]

# ---- of size

SizedInputs = Annotated[int, typer.Option("--input", help="Values of x per step.")]
SizedOutputs = Annotated[int, typer.Option("--outputs", help="Of a dense head.")]
SizedPeriodMs = Annotated[float, typer.Option("--period-ms", help="From step to step.")]
SizedBattery = Annotated[
    str,
    typer.Option(
        "--battery", help="cr2032, or a charge in mAh.", autocompletion=completion.batteries
    ),
]
SizedMinDays = Annotated[
    float, typer.Option("--min-days", help="That the battery lasts; 0: no matter.")
]
SizedCells = Annotated[
    str | None,
    typer.Option("--cell", help="All that run there if absent.", autocompletion=completion.cells),
]
SizedSteps = Annotated[
    int | None, typer.Option("--steps", help="Of a call; those of export's file if absent.")
]
Typical = Annotated[
    bool, typer.Option("--typical", help="Typical figures hold the limits, not upper ends.")
]

# ---- of devices

ListedDevice = Annotated[
    str | None,
    typer.Argument(help="A device, or a .toml of your own.", autocompletion=completion.devices),
]
RankedModel = Annotated[
    str | None, typer.Option("--for", help="Rank them for a network; japanese_vowels: bundled.")
]
BudgetUj = Annotated[float | None, typer.Option(help="Of a period, else of a step; with --for.")]
BudgetMs = Annotated[float | None, typer.Option(help="Of a step; with --for.")]
MinDays = Annotated[float | None, typer.Option(help="That the battery lasts; with --for.")]
RankedSleep = Annotated[
    str | None,
    typer.Option(
        "--sleep", help="deep or clocks-on; deep if absent.", autocompletion=completion.sleeps
    ),
]
