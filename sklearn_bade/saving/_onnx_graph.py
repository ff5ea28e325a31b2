"""A graph of ONNX nodes that is written operator by operator."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Old enough for any onnxruntime that runs on Python 3.11, and new enough for double
# thresholds of trees, which came with the third version of the machine-learning operators.
OPSET, ML_OPSET, IR_VERSION = 18, 3, 8
ML_DOMAIN = "ai.onnx.ml"

FLOAT, DOUBLE, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64
UINT8, BOOL, TEXT = TensorProto.UINT8, TensorProto.BOOL, TensorProto.STRING


class Graph:
    """Nodes, constants, inputs and outputs of a model in the making.

    The same operator on the same inputs is one node, so that whoever writes may ask for
    what has been computed before.
    """

    def __init__(self):
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []
        self._known, self._n_names = {}, 0

    def add(self, operator, *inputs, domain="", **attributes):
        """Append an operator, and name its output; inputs that are no names are constants.

        Returns
        -------
        name : str
            What the operator returns.
        """
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        node = helper.make_node(operator, names, [], domain=domain, **attributes)
        known_by = node.SerializeToString()
        if known_by not in self._known:
            self._known[known_by] = name = self._new_name(operator.lower())
            node.output.append(name)
            self.nodes.append(node)
        return self._known[known_by]

    def constant(self, value):
        """Name an array of numbers or of text."""
        array = np.asarray(value)
        content = repr(array.tolist()) if array.dtype.kind in "OU" else array.tobytes()
        known_by = ("constant", array.dtype.str, array.shape, content)
        if known_by not in self._known:
            self._known[known_by] = name = self._new_name("constant")
            self.constants.append(to_tensor(array, name))
        return self._known[known_by]

    def cast(self, name, kind):
        """Cast to a type of number."""
        return self.add("Cast", name, to=kind)

    def take(self, name, positions):
        """Select columns."""
        return self.add("Gather", name, np.asarray(positions, dtype=np.int64), axis=1)

    def concat(self, names):
        """Put columns side by side."""
        return names[0] if len(names) == 1 else self.add("Concat", *names, axis=1)

    def add_input(self, name, kind, shape):
        """Declare an input of any number of rows, each of a shape."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, ["rows", *shape]))
        return name

    def add_output(self, name, output, kind, shape):
        """Declare an output, of any number of rows, under a name of its own."""
        self.nodes.append(helper.make_node("Identity", [output], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, kind, ["rows", *shape]))

    def graft(self, model, feeds):
        """Take over the nodes of a model, whose inputs are fed from here.

        Returns
        -------
        names : dict of str to str
            What the outputs of the model are called here.
        """
        prefix = self._new_name("graft") + "_"
        grafted = onnx.compose.add_prefix(model, prefix).graph
        for name, source in feeds.items():
            self.nodes.append(helper.make_node("Identity", [source], [prefix + name]))
        self.nodes.extend(grafted.node)
        self.constants.extend(grafted.initializer)
        return {each.name.removeprefix(prefix): each.name for each in grafted.output}

    def model(self, description):
        """Put all together, and check it."""
        graph = helper.make_graph(
            self.nodes, "sklearn_bade", self.inputs, self.outputs, self.constants
        )
        opsets = [
            helper.make_opsetid("", OPSET),
            helper.make_opsetid(ML_DOMAIN, ML_OPSET),
        ]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=IR_VERSION,
            producer_name="sklearn_bade",
            doc_string=description,
        )
        onnx.checker.check_model(model)
        return model

    def _new_name(self, stem):
        # No input is called so: the names of columns are the user's.
        self._n_names += 1
        return f"/{stem}_{self._n_names}"


def to_tensor(array, name):
    """Make a tensor of an array of numbers or of text."""
    if array.dtype.kind in "OU":
        texts = [str(text).encode() for text in array.ravel()]
        return helper.make_tensor(name, TEXT, array.shape, texts)
    return numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
