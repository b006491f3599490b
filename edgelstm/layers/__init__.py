"""LAYERS: every kind of layer that a network is made of.

A new one is a file here with its shapes, checks and operations, a line in this table, and its class
in `Layer` of `edgelstm/model/network.py`.
"""

from edgelstm.layers.activation import Activation, LayerNorm
from edgelstm.layers.dense import Dense
from edgelstm.layers.embedding import Embedding
from edgelstm.layers.read_steps import ReadSteps, Repeat
from edgelstm.layers.recurrent import Recurrent
from edgelstm.layers.reverse_steps import ReverseSteps

LAYERS = {
    "recurrent": Recurrent,
    "dense": Dense,
    "read_steps": ReadSteps,
    "repeat": Repeat,
    "reverse_steps": ReverseSteps,
    "activation": Activation,
    "layer_norm": LayerNorm,
    "embedding": Embedding,
}
