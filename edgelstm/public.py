"""The public names, nothing else; `edgelstm` itself has them from here."""

from edgelstm.bundled import demo as demo
from edgelstm.bundled import demo_data as demo_data
from edgelstm.comparison.comparing import compare as compare
from edgelstm.cost.count_ops import count as count
from edgelstm.cost.energy import estimate as estimate
from edgelstm.devices.device import device_names as device_names
from edgelstm.devices.device import read_device as read_device
from edgelstm.errors import DeviceError as DeviceError
from edgelstm.errors import ModelError as ModelError
from edgelstm.execution.session import Session as Session
from edgelstm.execution.session import run as run
from edgelstm.formats import read as read
from edgelstm.formats import write as write
from edgelstm.formats.torch.read import from_torch as from_torch
from edgelstm.measurement.measuring import measure as measure
from edgelstm.quantization.quantizer import quantize as quantize
from edgelstm.searching.ranking import rank_devices as rank_devices
from edgelstm.searching.searching import search as search
from edgelstm.searching.sizing import size as size
from edgelstm.searching.space import Candidate as Candidate
from edgelstm.searching.space import Space as Space
from edgelstm.verification.nodes import node_inputs as node_inputs
from edgelstm.verification.nodes import replace as replace
from edgelstm.verification.verifier import verify as verify
