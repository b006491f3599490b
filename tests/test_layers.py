"""Imports point downwards: a module knows what stands before its own name, never its neighbours."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
MOST_ROOMS = 24
# Folder to what is in it, lowest first; names between two signs do not know each other.
ORDER = {
    "": (
        "cells kernels printable < errors notebook text < arguments files installed "
        "layers < devices model < quantization runtimes < cost execution formats < bundled "
        "verification < measurement training < comparison < searching < tools"
    ),
    "cells": "spec < gru lstm simple < __init__ < text",
    "comparison": (
        "calling folder measuring table tflm_folder use < checked costs < choosing < comparing"
    ),
    "cost": (
        "buffers instructions laws placing < loops < arena counts < count_ops cycles "
        "folder_code other_tools traffic < boards duty memory < power < energy < inference "
        "variants < advice"
    ),
    "devices": "cores keys < device < device_file",
    "execution": (
        "bytecode caches fused prepared trial < stages < team < chained bidirectional reading "
        "< compiled < backends < session"
    ),
    "execution.bytecode": "builder < floats integers < __init__",
    "files": "archives disk < arrays toml",
    "formats": (
        "asked blocks composed description elsewhere following signature stated steps tensors < "
        "integers ordering < restored_quantized < restored < table tflite c keras onnx state_dict "
        "< npz torch < __init__"
    ),
    "formats.torch": (
        "__init__ export pickle < archive around < graph layers < refused < inputs < module < read"
    ),
    "formats.following": "__init__ symbolic terms < appending matched < layers < reads sums",
    "formats.keras": (
        "__init__ config headers pieces values < hdf5 < archive calls weights < activations "
        "recurrent < around < classes < starting < chain < read"
    ),
    "formats.c": (
        "__init__ calls names winograd < layer numbers places < building loops reals < "
        "around integers lstm pairs < a64 dsp rows < a64_rows helium < layouts < build < source "
        "twin vector < project read < write"
    ),
    "formats.onnx": (
        "__init__ axes branches folding graph inputs part signature tensors < attributes carried "
        "loop older rounding < equations integer recurrent_nodes < around float operators_around "
        "< hybrid operators read_described < read write < embedded < replaced"
    ),
    "formats.tflite": (
        "flatbuffer metadata model stages < guards schema < layers pack rules step unpack < "
        "largest slices < activations around functions looped views < chain integer real same < "
        "branches fused rows < loop < read_composed write < read < __init__"
    ),
    "formats.tflite.looped": "__init__ values weights < body trips < layer",
    "kernels": (
        "cell_ops packing simd < cache form fused < team < activations conversion float_program "
        "integer_program layer readings < chain ends int8_arithmetic kept sums < float32 links < "
        "hybrid int8 phases team_chain < composed_arithmetic dense_forms < composed "
        "composed_numbers dense < bind < pack_layer < pack_composed pack_dense state"
    ),
    "kernels.simd": (
        "options target < vectors < atomics conversions dot4 memory < arrays pointers products "
        "tuples words"
    ),
    "layers": (
        "directions matrix operations weights < activation dense embedding recurrent_sizes < "
        "stacked < recurrent without_numbers < reverse_steps < read_steps < __init__"
    ),
    "model": "front precision < sequential < network < plan sizes < forms forward",
    "quantization": (
        "calibration fixedpoint folding formats stateless < scales tables8 < rounding < "
        "quantized_activation quantized_dense quantized_direction reading saturation < "
        "operations quantize_activation quantized < weights < hybrid lower_fused < "
        "lower_composed quantize_fused < lower quantize_composed < reference < quantizer"
    ),
    "measurement": (
        "changes clocks energies fitting own plain ratios reference_loops sharing torch_calls "
        "trigger < engines job results < "
        "advice comparing entrants machine paced predicting stored turns < child history session < "
        "power < asking calibrating summing_up < metering < measuring"
    ),
    "measurement.power": (
        "source < battery csv_file hwmon joulescope pmic rapl windows < __init__"
    ),
    "searching": (
        "conditions fronts space < choosing costing log working < picking ranking rejections room "
        "trainings < results sizing < study summing_up < searching"
    ),
    "runtimes": (
        "runtime < __init__ folder litert ort tflm < emulated host < child < isolation < "
        "arena graphs"
    ),
    "runtimes.emulated": "__init__ image toolchain < machine < qemu < counting opened < cycles",
    "training": "data < modules scoring < torch",
    "tools": (
        "answer assumptions bench_report charts completion executors inputs output ranges "
        "remote_host templates words < bench_stored bench_tables export_report remote_offline "
        "scatter < remote_install < profile_report remote request < bench_remote forms part < "
        "bench_calibrate "
        "cautions count_tables doctor options profile_csv search_tables side_by_side < "
        "profile_request verdict < "
        "page_charts profile_tables search_front < page search_page tables < written < bench_core "
        "bench_page < "
        "bench compare devices export profiler search size verify < search_trained < planning < "
        "commands < cli"
    ),
    "verification": "feeds fidelity results sampling < nodes spread verifier",
}
LEVEL = {
    folder: {name: k for k, names in enumerate(order.split(" < ")) for name in names.split()}
    for folder, order in ORDER.items()
}
OUTSIDE = ("__init__", "__main__", "public")
FILES = sorted(
    p
    for folder in ("edgelstm", "kernels", "tools")
    for p in (ROOT / folder).rglob("*.py")
    if not any(parent.is_symlink() for parent in p.parents)
)


def place(path: pathlib.Path) -> tuple[str, ...]:
    """Folders and name of a file below edgelstm: `("formats", "onnx", "read")`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1:] if parts[0] == "edgelstm" else parts


PLACES = {place(path) for path in FILES}


def imported(tree: ast.AST) -> set[tuple[str, ...]]:
    """Places of edgelstm that the code imports, also inside functions; () is edgelstm itself."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the direction"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {known(name.split(".")[1:]) for name in names if name.split(".")[0] == "edgelstm"}
    return found


def known(parts: list[str]) -> tuple[str, ...]:
    """The module that a dotted name begins with."""
    while parts and tuple(parts) not in PLACES and (*parts, "__init__") not in PLACES:
        parts = parts[:-1]
    return tuple(parts) if tuple(parts) in PLACES or not parts else (*parts, "__init__")


def downwards(own: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether a module may import another: it stands lower where their paths part."""
    if other in ((), own):
        return other == own or own[0] == "tools"  # tools use the public names
    shared = next(k for k, (a, b) in enumerate(zip(own, other, strict=False)) if a != b)
    level = LEVEL[".".join(own[:shared])]
    return other[shared] in level and level[other[shared]] < level[own[shared]]


def test_every_module_has_a_place() -> None:
    found: dict[str, set[str]] = {}
    for parts in PLACES:
        for k, name in enumerate(parts):
            found.setdefault(".".join(parts[:k]), set()).add(name)
    found[""] -= set(OUTSIDE)
    assert {k: names - {"__init__"} for k, names in found.items()} == {
        k: set(names) - {"__init__"} for k, names in LEVEL.items()
    }


def test_the_house_has_few_rooms() -> None:
    assert len(LEVEL[""]) <= MOST_ROOMS


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path: pathlib.Path) -> None:
    own = place(path)
    if own[-1] not in OUTSIDE or len(own) > 1:
        others = imported(ast.parse(path.read_text()))
        assert {other for other in others if not downwards(own, other)} == set()


@pytest.mark.parametrize(
    ("own", "code"),
    [
        (("kernels", "layer"), "from edgelstm.tools import cli"),
        (("cost", "memory"), "from edgelstm.formats import read"),
        (("cost", "counts"), "from edgelstm.cost.energy import Energy"),
        (("formats", "tensors"), "from edgelstm.formats import read"),
        (("model", "plan"), "import edgelstm"),
    ],
)
def test_an_upward_import_is_found(own: tuple[str, ...], code: str) -> None:
    tree = ast.parse(f"def f():\n    {code}")
    assert [downwards(own, other) for other in imported(tree)] == [False]


MOST_LINES, MOST_OF_A_FUNCTION = 300, 40
# Options of commands are parameters, one line each.
LONG = {("tools", "commands", name) for name in ("bench", "export", "profile")} | {
    *(("tools", "planning", name) for name in ("search", "size", "devices")),
    ("searching", "searching", "search"),
}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_files_and_functions_are_short(path: pathlib.Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    most = 80 if place(path)[0] == "kernels" else MOST_OF_A_FUNCTION
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and (*place(path), node.name) not in LONG:
            told = len((ast.get_docstring(node, clean=False) or "").splitlines())
            assert (node.end_lineno or 0) - node.lineno + 1 - told <= most, node.name
