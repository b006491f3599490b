"""RUNTIMES: what runs written files.

A new one is an adapter here and an entry in this table, in `SERVES` and in `ORACLES` of
`edgelstm/verification/verifier.py`.
"""

from edgelstm.devices.cores import CORES, Core
from edgelstm.runtimes.runtime import Runtime

QEMU = "qemu-system-arm"


def _emulated(name: str, core: Core) -> Runtime:
    unicorn = None if core.board and not core.emulator else "unicorn"
    return Runtime(
        opener=f"edgelstm.runtimes.emulated.opened:open_core:{name}",
        package=unicorn,
        distribution=unicorn or QEMU,
        suffix="_c",
        install='pip install "edgelstm[mcu]"' if unicorn else f"apt-get install {QEMU}",
        programs=() if unicorn else (QEMU,),
        absent=None if core.is_emulated else f"nothing emulates a {name} here; host has its bits",
    )


RUNTIMES = {
    "tflm": Runtime(
        opener="edgelstm.runtimes.tflm:open_tflm",
        preparer="edgelstm.runtimes.tflm:prepare_tflm",
        package="tflite_micro",
        distribution="tflite-micro",
        suffix=".tflite",
        install='pip install "edgelstm[runtimes]"',
        needs="x86-64 Linux",
    ),
    "litert": Runtime(
        opener="edgelstm.runtimes.litert:open_litert",
        preparer="edgelstm.runtimes.litert:prepare_litert",
        package="ai_edge_litert",
        distribution="ai-edge-litert",
        suffix=".tflite",
        install='pip install "edgelstm[runtimes]"',
    ),
    "onnxruntime": Runtime(
        opener="edgelstm.runtimes.ort:open_onnx",
        preparer="edgelstm.runtimes.ort:prepare_onnx",
        package="onnxruntime",
        distribution="onnxruntime",
        suffix=".onnx",
        install='pip install "edgelstm[runtimes]"',
    ),
    "tflite-runtime": Runtime(
        opener="edgelstm.runtimes.litert:open_tflite_runtime",
        preparer="edgelstm.runtimes.litert:prepare_tflite_runtime",
        package="tflite_runtime",
        distribution="tflite-runtime",
        suffix=".tflite",
        install='pip install "edgelstm[tflite-runtime]"',
        needs="an environment with Python <= 3.11 and numpy < 2",
        numpy_below=2,
    ),
    "host": Runtime(
        opener="edgelstm.runtimes.host:open_host",
        preparer="edgelstm.runtimes.host:prepare_host",
        package="ziglang",
        distribution="ziglang",
        suffix="_c",
        install='pip install "edgelstm[mcu]"',
        needs="that or another C compiler: cc, gcc, clang",
        programs=("cc", "gcc", "clang"),
    ),
    **{name: _emulated(name, core) for name, core in CORES.items()},
}
