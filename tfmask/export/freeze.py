"""A model as one graph of constants: what every target starts from.

Weights become constants, everything that follows from them alone is computed now (batch
normalisation into the kernels before it, float32 weights to the type they compute in),
and checks of our own go. What only training needs was never traced.
"""

import collections
import itertools
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2, rewriter_config_pb2
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)
from tensorflow.python.grappler import tf_optimizer

from tfmask.errors import ExportError
from tfmask.ops._library import stock_ops

_tags = itertools.count()
_LARGE = 1 << 10  # bytes, of a constant
OUTPUTS = ("boxes", "scores", "labels", "valid", "masks", "mask_scores")


def freeze(function, signature: list) -> "FrozenModel":
    """A function of a model without variables.

    Args:
      function: tensors -> dict of tensors, e.g. what `inference` gives.
      signature: tf.TensorSpec of each of its arguments.

    Raises:
      ExportError: an operation that plain TensorFlow does not have.
    """
    with stock_ops():
        traced = tf.function(function, input_signature=signature, autograph=False)
        traced = traced.get_concrete_function()
    frozen = convert_variables_to_constants_v2(traced, lower_control_flow=False)
    inputs = [tensor.name for tensor in frozen.inputs]
    names = sorted(traced.structured_outputs)  # the order of the flat outputs
    outputs = dict(zip(names, (tensor.name for tensor in frozen.outputs)))
    graph = _fold(frozen.graph.as_graph_def(), inputs, outputs)
    fold_batch_norm(graph, [_node(name) for name in outputs.values()])
    _rename_functions(graph)
    check_stock(graph)
    return FrozenModel(graph, inputs, outputs)


def inference(model, batch=None, height=None, width=None):
    """A model on padded images: (function, signature) for `freeze`.

    Args:
      model: models.rcnn.GeneralizedRCNN.
      batch, height, width: of the padded images where they are fixed.

    Returns:
      A function `(images [B, H, W, 3] uint8, image_sizes [B, 2] int32)` -> dict of the
      model's outputs, and the specs of its arguments.
    """

    def infer(images, image_sizes):
        inputs = {"images": images, "image_sizes": image_sizes}
        outputs = model(inputs, training=False)
        return {name: outputs[name] for name in OUTPUTS if name in outputs}

    return infer, [
        tf.TensorSpec([batch, height, width, 3], tf.uint8, "images"),
        tf.TensorSpec([batch, 2], tf.int32, "image_sizes"),
    ]


class FrozenModel(tf.Module):
    """A graph of constants that can be called as the function that it was made of.

    Called, it has its large constants in variables: a graph that holds them is copied
    many times over while a SavedModel is written and loaded.

    Args:
      graph_def: the graph.
      input_names: tensors of the arguments, in their order.
      output_names: tensors of the results, by the names of these.
    """

    def __init__(self, graph_def, input_names: list, output_names: dict):
        super().__init__(name="frozen")
        self.graph_def = graph_def
        self.input_names = input_names
        self.output_names = output_names
        self.weights: list = []
        self._function: Callable | None = None

    def __call__(self, *tensors) -> dict:
        if self._function is None:
            self._function = self._build()
        return self._function(*tensors, *self.weights)

    def _build(self) -> Callable:
        graph, constants = _without_constants(self.graph_def)
        with tf.init_scope():
            self.weights = [
                tf.Variable(tf.make_ndarray(proto), trainable=False, name=name)
                for name, proto in constants.items()
            ]

        def load():
            tf.graph_util.import_graph_def(graph, name="")

        wrapped = tf.compat.v1.wrap_function(load, [])
        element = wrapped.graph.as_graph_element
        names = [*self.input_names, *(f"{name}:0" for name in constants)]
        return wrapped.prune(
            [element(name) for name in names],
            {key: element(name) for key, name in self.output_names.items()},
        )


def _without_constants(graph_def):
    """The graph with placeholders for its large constants, and those by name."""
    small, constants = type(graph_def)(), {}
    small.versions.CopyFrom(graph_def.versions)
    small.library.CopyFrom(graph_def.library)
    for node in graph_def.node:
        proto = node.attr["value"].tensor if node.op == "Const" else None
        if proto is None or len(proto.tensor_content) < _LARGE:
            small.node.add().CopyFrom(node)
            continue
        constants[node.name] = proto
        placeholder = small.node.add(name=node.name, op="Placeholder")
        placeholder.attr["dtype"].type = proto.dtype
        placeholder.attr["shape"].shape.CopyFrom(proto.tensor_shape)
    return small, constants


def check_stock(graph_def) -> None:
    """Refuses operations that plain TensorFlow does not have.

    Operations of other libraries stand in this process's registry too, once loaded;
    they are known by the `>` that separates a library's name from the operation's.

    Args:
      graph_def: with the functions of its library.

    Raises:
      ExportError: naming them.
    """
    from tensorflow.python.framework import op_def_registry

    functions = {f.signature.name for f in graph_def.library.function}
    nodes = [*graph_def.node]
    for function in graph_def.library.function:
        nodes += function.node_def
    names = {node.op for node in nodes} - functions
    foreign = sorted(
        name for name in names if ">" in name or op_def_registry.get(name) is None
    )
    if foreign:
        raise ExportError(
            f"the model's graph has {', '.join(foreign)}: expected operations of plain "
            "TensorFlow alone; a part of the model calls a compiled operation"
        )


def _fold(graph_def, inputs: list, outputs: dict):
    """The graph with all that is known computed."""
    meta = meta_graph_pb2.MetaGraphDef()
    meta.graph_def.CopyFrom(graph_def)
    # What must stay, by the name of the collection that the optimizer reads.
    kept = [_node(name) for name in (*inputs, *outputs.values())]
    meta.collection_def["train_op"].node_list.value.extend(kept)
    config = config_pb2.ConfigProto()
    rewriter = config.graph_options.rewrite_options
    # Names of the optimizers that run; the others, which choose kernels for one device,
    # are left to the runtime.
    rewriter.optimizers.extend(["debug_stripper", "constfold", "dependency"])
    rewriter.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.TWO
    return tf_optimizer.OptimizeGraph(config, meta)


def _rename_functions(graph_def) -> None:
    """Gives the functions of loops and branches names that are new to this process.

    It knows them already as they were traced, by the names that they still have.
    """
    tag = f"_frozen_{next(_tags)}"
    names = {
        f.signature.name: f.signature.name + tag for f in graph_def.library.function
    }
    nodes = [*graph_def.node]
    for function in graph_def.library.function:
        nodes += function.node_def
        function.signature.name = names[function.signature.name]
    for node in nodes:
        node.op = names.get(node.op, node.op)
        for value in node.attr.values():
            functions = [value.func] if value.HasField("func") else value.list.func
            for called in functions:
                called.name = names.get(called.name, called.name)


def fold_batch_norm(graph_def, outputs=()) -> None:
    """Multiplies batch normalisation into the convolution right before it.

    Only where the convolution's kernel is a constant and nothing else reads it; others,
    as those before an activation, stay.

    Args:
      graph_def: changed in place; constants that nothing reads go.
      outputs: names of nodes that stay all the same.
    """
    nodes = {node.name: node for node in graph_def.node}
    readers = collections.Counter(
        _node(source) for node in graph_def.node for source in node.input
    )

    def constant(name):
        node = nodes.get(_node(name))
        if node is None or node.op != "Const":
            return None
        return tf.make_ndarray(node.attr["value"].tensor)

    for norm in [node for node in graph_def.node if node.op == "FusedBatchNormV3"]:
        conv = nodes.get(norm.input[0])
        if norm.attr["is_training"].b or conv is None or conv.op != "Conv2D":
            continue
        kernel = constant(conv.input[1])
        figures = [constant(name) for name in norm.input[1:5]]
        if kernel is None or readers[conv.name] > 1 or any(v is None for v in figures):
            continue
        scale, offset, mean, variance = figures
        scale = scale / np.sqrt(variance + norm.attr["epsilon"].f)
        dtype = conv.attr["T"]
        folded = {
            "kernel": kernel.astype(np.float32) * scale,
            "offset": offset - mean * scale,
        }
        for name, value in folded.items():
            node = graph_def.node.add(name=f"{norm.name}/folded_{name}", op="Const")
            node.attr["dtype"].CopyFrom(dtype)
            proto = tf.make_tensor_proto(value.astype(kernel.dtype))
            node.attr["value"].tensor.CopyFrom(proto)
        conv.input[1] = f"{norm.name}/folded_kernel"
        norm.op = "BiasAdd"
        norm.ClearField("attr")
        norm.attr["T"].CopyFrom(dtype)
        del norm.input[1:]
        norm.input.append(f"{norm.name}/folded_offset")
    used = {_node(source) for node in graph_def.node for source in node.input}
    used.update(outputs)
    kept = [n for n in graph_def.node if n.op != "Const" or n.name in used]
    if len(kept) < len(graph_def.node):
        small = type(graph_def)(node=kept)
        del graph_def.node[:]
        graph_def.node.MergeFrom(small.node)


def _node(source: str) -> str:
    """The name of the node that a tensor, or an edge of order alone, comes from."""
    return source.split(":")[0].lstrip("^")
