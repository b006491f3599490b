"""Numbers of the .tflite format: slots of tables, types, operators, their option tables.

From tensorflow/compiler/mlir/lite/schema/schema.fbs, schema version 3.
"""

from edgelstm.formats.tflite.flatbuffer import Field

IDENTIFIER = b"TFL3"
VERSION = 3

_TYPES = """
    float32 float16 int32 uint8 int64 string bool int16 complex64 int8 float64 complex128 uint64
    resource variant uint32 uint16 int4 bfloat16
"""
TYPES = tuple(_TYPES.split())  # a type's number is its place

GATES = ("i", "f", "g", "o")  # order of the LSTM's inputs; the format calls g the cell gate

ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")

_OPERATORS = """
    ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
    EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
    LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1
    RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM
    CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND
    SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE
    BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM
    CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE
    SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW
    ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK
    REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR
    LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS
    WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE
    NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM
    BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG
    REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL
    CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL
    BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE
"""
OPERATORS = tuple(_OPERATORS.split())  # an operator's code is its place

LARGEST_INT8_CODE = 127  # larger codes stand in a second field, added when 127 were used up

OPTIONS = {  # operator -> (tag in the union of option tables, name of the table)
    "ADD": (11, "AddOptions"),
    "CALL_ONCE": (103, "CallOnceOptions"),
    "CONCATENATION": (10, "ConcatenationOptions"),
    "DIV": (29, "DivOptions"),
    "FULLY_CONNECTED": (8, "FullyConnectedOptions"),
    "GATHER": (23, "GatherOptions"),
    "LEAKY_RELU": (75, "LeakyReluOptions"),
    "LOG_SOFTMAX": (36, "LogSoftmaxOptions"),
    "MEAN": (27, "ReducerOptions"),
    "MUL": (21, "MulOptions"),
    "PACK": (59, "PackOptions"),
    "REDUCE_MAX": (27, "ReducerOptions"),
    "SOFTMAX": (9, "SoftmaxOptions"),
    "STRIDED_SLICE": (32, "StridedSliceOptions"),
    "SUB": (28, "SubOptions"),
    "SUM": (27, "ReducerOptions"),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (71, "LstmOptions"),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (31, "SequenceRnnOptions"),
    "VAR_HANDLE": (111, "VarHandleOptions"),
    "WHILE": (93, "WhileOptions"),
}

SCHEMA = {
    "Model": {
        "version": Field(0, "uint32"),
        "operator_codes": Field(1, "[OperatorCode]"),
        "subgraphs": Field(2, "[SubGraph]"),
        "description": Field(3, "string"),
        "buffers": Field(4, "[Buffer]"),
        "metadata": Field(6, "[Metadata]"),
        "signature_defs": Field(7, "[SignatureDef]"),
    },
    "OperatorCode": {
        "deprecated_builtin_code": Field(0, "int8"),
        "custom_code": Field(1, "string"),
        "version": Field(2, "int32", 1),
        "builtin_code": Field(3, "int32"),
    },
    "SubGraph": {
        "tensors": Field(0, "[Tensor]"),
        "inputs": Field(1, "[int32]"),
        "outputs": Field(2, "[int32]"),
        "operators": Field(3, "[Operator]"),
        "name": Field(4, "string"),
    },
    "Tensor": {
        "shape": Field(0, "[int32]"),
        "type": Field(1, "int8"),
        "buffer": Field(2, "uint32"),
        "name": Field(3, "string"),
        "quantization": Field(4, "Quantization"),
        "is_variable": Field(5, "bool"),
        "sparsity": Field(6, "any"),
        "has_rank": Field(8, "bool"),
    },
    "Quantization": {
        "scale": Field(2, "[float32]"),
        "zero_point": Field(3, "[int64]"),
        "quantized_dimension": Field(6, "int32"),
    },
    "Operator": {
        "opcode_index": Field(0, "uint32"),
        "inputs": Field(1, "[int32]"),
        "outputs": Field(2, "[int32]"),
        "builtin_options_type": Field(3, "uint8"),
        "builtin_options": Field(4, "any"),
        "intermediates": Field(8, "[int32]"),
    },
    "Buffer": {"data": Field(0, "[uint8]")},
    "Metadata": {"name": Field(0, "string"), "buffer": Field(1, "uint32")},
    "SignatureDef": {
        "inputs": Field(0, "[TensorMap]"),
        "outputs": Field(1, "[TensorMap]"),
        "signature_key": Field(2, "string"),
        "subgraph_index": Field(4, "uint32"),
    },
    "TensorMap": {"name": Field(0, "string"), "tensor_index": Field(1, "uint32")},
    "AddOptions": {
        "activation": Field(0, "int8"),
        "pot_scale_int16": Field(1, "bool", True),
    },
    "CallOnceOptions": {"init_graph": Field(0, "int32")},
    "ConcatenationOptions": {
        "axis": Field(0, "int32"),
        "activation": Field(1, "int8"),
    },
    "FullyConnectedOptions": {
        "activation": Field(0, "int8"),
        "weights_format": Field(1, "int8"),
        "keep_num_dims": Field(2, "bool"),
    },
    "DivOptions": {"activation": Field(0, "int8")},
    "GatherOptions": {"axis": Field(0, "int32"), "batch_dims": Field(1, "int32")},
    "LeakyReluOptions": {"alpha": Field(0, "float32")},
    "LogSoftmaxOptions": {},
    "MulOptions": {"activation": Field(0, "int8")},
    "PackOptions": {"values_count": Field(0, "int32"), "axis": Field(1, "int32")},
    "ReducerOptions": {"keep_dims": Field(0, "bool")},
    "SoftmaxOptions": {"beta": Field(0, "float32")},
    "StridedSliceOptions": {
        "begin_mask": Field(0, "int32"),
        "end_mask": Field(1, "int32"),
        "ellipsis_mask": Field(2, "int32"),
        "new_axis_mask": Field(3, "int32"),
        "shrink_axis_mask": Field(4, "int32"),
        "offset": Field(5, "bool"),
    },
    "SubOptions": {
        "activation": Field(0, "int8"),
        "pot_scale_int16": Field(1, "bool", True),
    },
    "LstmOptions": {
        "activation": Field(0, "int8"),
        "cell_clip": Field(1, "float32"),
        "projection_clip": Field(2, "float32"),
        "time_major": Field(3, "bool"),
        "asymmetric_quantize_inputs": Field(4, "bool"),
        "diagonal_recurrent_tensors": Field(5, "bool"),
    },
    "SequenceRnnOptions": {
        "time_major": Field(0, "bool"),
        "activation": Field(1, "int8"),
        "asymmetric_quantize_inputs": Field(2, "bool"),
    },
    "VarHandleOptions": {"container": Field(0, "string"), "shared_name": Field(1, "string")},
    "WhileOptions": {"condition_graph": Field(0, "int32"), "body_graph": Field(1, "int32")},
}
