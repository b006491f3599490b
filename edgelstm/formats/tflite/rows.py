"""An embedding in front of a chain: GATHER of rows by the file's input."""

import numpy as np

from edgelstm.errors import ModelError
from edgelstm.formats.tflite.chain import Chain, check_matrix
from edgelstm.formats.tflite.layers import scale_of
from edgelstm.formats.tflite.model import Operator
from edgelstm.layers.embedding import Embedding

ROWS = "GATHER"


def append_rows(chain: Chain, op: Operator) -> None:
    """Adds the table of a GATHER; integers of it are read as what they stand for.

    Raises:
        ModelError: It looks up by other values, or what it gives is stored otherwise than the
            table.
    """
    table, x, result = *op.inputs[:2], *op.outputs[:1]
    if table is None or x is None or result is None or x is not chain.value or chain.layers:
        raise ModelError("it looks rows up by other values than the file's input")
    if x.type != "int32" or op.options["axis"] or op.options["batch_dims"]:
        raise ModelError("it looks up otherwise than whole rows by int32 indices")
    if table.data is None or len(table.shape) != 2 or table.type not in ("float32", "int8"):
        raise ModelError("its table is no constant matrix of float32 or int8")
    if result.type != table.type:
        raise ModelError(f"it makes {result.type} of {table.type}; one type is read")
    weight = np.array(table.data)
    if table.type == "int8":
        scale = scale_of(table)
        if scale != scale_of(result):
            raise ModelError("its result has another scale or zero point than its table")
        weight = scale.reals(weight)
    chain.layers.append(Embedding("embedding1", weight))
    chain.width = weight.shape[1]
    check_matrix(chain, result.shape)
    chain.value = result
