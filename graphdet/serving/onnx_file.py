"""The network as an ONNX file, for services in other languages; written from the weights, so torch is not needed.

Inputs of the graph, n accounts and k ties between them:
    x         float32[n, n_inputs]       as graphdet.serving.build.inputs_of makes them
    listener  int64[k]                   rows of x
    speaker   int64[k]                   rows of x
    tie       float32[k, n_attributes]   as graphdet.gnn.inputs gives them
Output: logit float32[n], right for every account whose own ties, and those of whom it listens to, are all there.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet.errors import GraphdetError
from graphdet.serving.network import MEAN_EPSILON, NORM_EPSILON, Network, Weights

OPSET = 18  # the first with sums in ScatterND that all current runtimes have
IR_VERSION = 9


def onnx_library() -> Any:
    """ONNX, which only this needs.

    Raises:
        GraphdetError: it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise GraphdetError(
            "exporting to ONNX needs the extra `onnx`: pip install 'graphdet[onnx]'"
        ) from error
    return onnx


def to_onnx(network: Network) -> bytes:
    """Write the networks and their mean as one ONNX model.

    Raises:
        GraphdetError: ONNX is not installed.
    """
    onnx = onnx_library()
    graph = _Graph(onnx)
    tie = graph.op("Sub", "tie", graph.array(network.tie_mean))
    tie = graph.op("Div", tie, graph.array(network.tie_std))
    logits = []
    for member in network.members:
        h = graph.linear(member, "encoder.1", "x")
        h = graph.linear(member, "encoder.4", graph.op("Relu", h))
        for number in range(network.n_rounds):
            h = graph.listen(member, f"rounds.{number}", h, tie, network.n_gates)
        h = graph.op("Relu", graph.linear(member, "head.1", h))
        logits.append(graph.op("Squeeze", graph.linear(member, "head.3", h), graph.whole([1])))
    graph.op("Mean", *logits, to="logit")
    value, kinds = onnx.helper.make_tensor_value_info, onnx.TensorProto
    inputs = [value("x", kinds.FLOAT, ["n", network.n_inputs])]
    if network.n_rounds:
        inputs += [value(name, kinds.INT64, ["k"]) for name in ("listener", "speaker")]
        inputs.append(value("tie", kinds.FLOAT, ["k", len(network.tie_mean)]))
    made = onnx.helper.make_graph(
        graph.nodes, "graphdet", inputs, [value("logit", kinds.FLOAT, ["n"])], initializer=graph.arrays
    )
    model = onnx.helper.make_model(
        made, opset_imports=[onnx.helper.make_opsetid("", OPSET)], producer_name="graphdet"
    )
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    found: bytes = model.SerializeToString()
    return found


class _Graph:
    """Nodes and constants of an ONNX graph, named as they come."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.arrays: list[Any] = []

    def op(self, kind: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """Add a node with one output; its name."""
        name = to or f"v{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def array(self, values: NDArray[Any]) -> str:
        """Add a constant; its name."""
        name = f"c{len(self.arrays)}"
        self.arrays.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def whole(self, values: Sequence[int]) -> str:
        """Add a constant of whole numbers."""
        return self.array(np.array(values, np.int64))

    def linear(self, weights: Weights, name: str, x: str) -> str:
        """x Wᵀ + b; without b where there is none."""
        matrix = self.array(weights[f"{name}.weight"])
        bias = [self.array(weights[f"{name}.bias"])] if f"{name}.bias" in weights else []
        return self.op("Gemm", x, matrix, *bias, transB=1)

    def listen(self, weights: Weights, name: str, h: str, tie: str, n_gates: int) -> str:
        """One round; see network._listen, which it follows line by line."""
        width = len(weights[f"{name}.value.bias"])
        each = width // n_gates
        heard = self.op("Gather", self.linear(weights, f"{name}.listener", h), "listener")
        said = self.op("Gather", self.linear(weights, f"{name}.speaker", h), "speaker")
        z = self.op(
            "Relu", self.op("Add", self.op("Add", heard, said), self.linear(weights, f"{name}.tie", tie))
        )
        gate = self.op("Sigmoid", self.linear(weights, f"{name}.gate", z))
        value = self.op("Reshape", self.linear(weights, f"{name}.value", z), self.whole([-1, n_gates, each]))
        value = self.op("Mul", value, self.op("Unsqueeze", gate, self.whole([2])))
        hidden = self.op("Concat", gate, self.op("Reshape", value, self.whole([-1, width])), axis=1)
        n = self.op("Shape", h, end=1)
        blank = self.op("ConstantOfShape", self.op("Concat", n, self.whole([n_gates + width]), axis=0))
        rows = self.op("Unsqueeze", "listener", self.whole([1]))
        total = self.op("ScatterND", blank, rows, hidden, reduction="add")
        count = self.op("Slice", total, self.whole([0]), self.whole([n_gates]), self.whole([1]))
        rest = self.op("Slice", total, self.whole([n_gates]), self.whole([n_gates + width]), self.whole([1]))
        divisor = self.op("Add", count, self.array(np.array(MEAN_EPSILON, np.float32)))
        mean = self.op(
            "Div",
            self.op("Reshape", rest, self.whole([-1, n_gates, each])),
            self.op("Unsqueeze", divisor, self.whole([2])),
        )
        log1p = self.op("Log", self.op("Add", count, self.array(np.array(1, np.float32))))
        joined = self.op("Concat", h, log1p, self.op("Reshape", mean, self.whole([-1, width])), axis=1)
        out = self.op("Add", h, self.op("Relu", self.linear(weights, f"{name}.combine", joined)))
        norm = [self.array(weights[f"{name}.norm.{part}"]) for part in ("weight", "bias")]
        return self.op("LayerNormalization", out, *norm, axis=-1, epsilon=NORM_EPSILON)
