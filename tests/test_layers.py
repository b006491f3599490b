"""Imports point downwards: a module knows the lines above its own, never its neighbours."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS = (  # lowest first; names in one line do not know each other; a package may import itself
    ("kernels", "printable"),
    ("errors", "cell", "fixedpoint", "notebook", "figures", "laws", "prepared"),
    (
        *("cells", "precision", "arithmetic", "counts"),
        *("given", "installed", "directions", "weights"),
    ),
    ("network", "files", "archives"),
    ("plan", "shapes", "equations", "arrays", "toml", "scales"),
    ("forward", "quantized"),
    ("calibration", "counting", "device", "hybrid"),
    ("quantization", "cycles", "arena", "traffic", "sampling"),
    ("reference", "duty", "boards", "memory"),
    ("program", "energy", "fusion"),
    ("stages", "inference"),
    ("bidirectional",),
    ("engines",),
    ("execution",),
    ("formats", "runtimes"),
    ("bundled", "comparison", "alternatives", "counters"),
    ("verification", "advice", "spread"),
    ("tools",),
)
LEVEL = {name: k for k, names in enumerate(LAYERS) for name in names}
OUTSIDE = ("__init__", "__main__", "public")
FILES = sorted(
    p
    for folder in ("edgelstm", "kernels", "tools")
    for p in (ROOT / folder).rglob("*.py")
    if not any(parent.is_symlink() for parent in p.parents)
)


def part(path: pathlib.Path) -> str:
    """The name in LAYERS that a file belongs to."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "edgelstm" else parts[0]


def imported(tree: ast.AST) -> set[str]:
    """Parts of edgelstm that the code imports, also inside functions; '' is edgelstm itself."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the direction"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {(n.split(".") + [""])[1] for n in names if n.split(".")[0] == "edgelstm"}
    return found


def wrong(name: str, others: set[str]) -> set[str]:
    """Imports of a module that do not point downwards."""
    return {
        other
        for other in others
        if other != name
        and not (other in LEVEL and LEVEL[other] < LEVEL[name])
        and not (name == "tools" and other not in LEVEL)  # tools use the public names
    }


def test_every_module_has_a_layer() -> None:
    assert {part(p) for p in FILES} - set(OUTSIDE) == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path: pathlib.Path) -> None:
    if part(path) not in OUTSIDE:
        assert wrong(part(path), imported(ast.parse(path.read_text()))) == set()


def test_an_upward_import_is_found() -> None:
    tree = ast.parse("def f():\n    from edgelstm.tools import cli")
    assert wrong("kernels", imported(tree)) == {"tools"}
