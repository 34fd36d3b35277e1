"""Counts the nodes of a training step's graph as placed for a GPU, on any machine.

    python benchmarks/placement.py [--recipe R] [--batch 2] [path=value ...]

Every node is at least one kernel launch, or work of the host between two launches, and
a step of small kernels is as slow as these. TensorFlow's CUDA package registers its GPU
kernels where there is no GPU too, so that the counts follow without one: calls are
inlined, loops and branches lowered, each node goes to the GPU where a kernel of it is
registered there for its types, and Grappler optimises the graph for a GPU that is
described to it. A tensor that crosses between host and GPU is one send and one receive,
however many nodes read it there. Of an earlier graph TensorFlow itself counted, on an
H100, 116 transposes and 39 casts where this counts 116 and 38.
"""

import argparse
import collections
import json
import re

import common

common.quiet()

HOST = "/job:localhost/replica:0/task:0/device:CPU:0"
GPU = "/job:localhost/replica:0/task:0/device:GPU:0"
OWN = "Tfmask>"  # compiled ops: the library here may lack its GPU kernels


def traced(recipe: str, overrides: list[str], size: str, batch: int):
    """A concrete training step, and the names of its variables that the host holds."""
    import tensorflow as tf
    from training_step import batch_spec, make_batch

    from tfmask.cli.settings import read_config
    from tfmask.models import packing
    from tfmask.models.build import build_model
    from tfmask.training.optimizer import build_optimizer
    from tfmask.training.step import TrainStep

    packing._has_gpu = lambda: True
    settings = ["model.num_classes=80", f"train.batch_size={batch}", *overrides]
    config = read_config(recipe, settings)
    model = build_model(config.model, config.train.precision)
    optimizer = build_optimizer(model, config.train)
    spec = batch_spec(make_batch(size, batch))
    step = TrainStep(
        tf.distribute.get_strategy(),
        model,
        optimizer,
        spec,
        config.train.clip_norm,
        compiled_update=config.train.xla == "update",
    )
    function = step.compiled.get_concrete_function()
    scale = step.learner.loss_scale
    held = {id(v.handle) for v in (scale.scale, scale.good_steps, optimizer.rate.given)}
    captures = function.graph.captures
    names = {inner.op.name for outer, inner in captures if id(outer) in held}
    inputs = {t.op.name for t in function.inputs} - {i.op.name for _, i in captures}
    return function, names | inputs


def lowered(function):
    """GraphDef of a function without calls, loops and branches of other functions."""
    from tensorflow.python.framework import convert_to_constants

    return convert_to_constants._run_inline_graph_optimization(
        function, lower_control_flow=True, aggressive_inlining=True
    )


class Placer:
    """Where TensorFlow's placer has the nodes of a graph on a machine with a GPU.

    Args:
      on_host: names of nodes that are there whatever they are: inputs, and variables
        that were made there.
    """

    def __init__(self, on_host: set[str]):
        from tensorflow.python.framework import kernels, op_def_registry

        self.on_host = on_host
        self._registered = kernels.get_registered_kernels_for_op
        self._definition = op_def_registry.get
        self._known: dict = {}

    def place(self, graph) -> None:
        """Writes the device of each node."""
        nodes = {node.name: node for node in graph.node}
        readers = collections.defaultdict(set)
        for node in graph.node:
            asked = "CPU" in node.device or node.name in self.on_host
            node.device = HOST if asked or not self.has_gpu_kernel(node) else GPU
        for node in graph.node:
            sources = [nodes[name] for name in data_inputs(node)]
            for source in sources:
                readers[source.name].add(node.device)
                if source.name in self.on_host and "Variable" in node.op:
                    node.device = HOST
            if node.op in ("Shape", "ShapeN", "Size", "Rank"):
                node.device = sources[0].device
        for node in graph.node:  # a constant is where it is read
            if node.op == "Const" and readers[node.name] == {HOST}:
                node.device = HOST

    def has_gpu_kernel(self, node) -> bool:
        if node.op.startswith(OWN) or node.op == "Placeholder":
            return True
        types = {k: (v.type, *v.list.type) for k, v in node.attr.items()}
        key = node.op, tuple(sorted(types.items()))
        if key not in self._known:
            self._known[key] = any(
                kernel.device_type in ("GPU", "DEFAULT")
                and not kernel.label
                and all(self._allows(c, node) for c in kernel.constraint)
                for kernel in self._registered(node.op).kernel
            )
        return self._known[key]

    def _allows(self, constraint, node) -> bool:
        value = node.attr.get(constraint.name)
        if value is None:
            attributes = self._definition(node.op).attr
            value = next(a for a in attributes if a.name == constraint.name)
            value = value.default_value
        types = value.list.type or [value.type]
        return set(types) <= set(constraint.allowed_values.list.type)


def optimised(graph, fetches, options: dict):
    """What Grappler makes of a placed graph on a machine with an H100."""
    from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
    from tensorflow.core.protobuf.device_properties_pb2 import (
        DeviceProperties,
        NamedDevice,
    )
    from tensorflow.python.grappler import cluster, tf_optimizer

    gpu = DeviceProperties(
        type="GPU",
        num_cores=132,
        frequency=1700,
        memory_size=70 << 30,
        environment={"architecture": "9.0", "cuda": "12000", "cudnn": "9000"},
    )
    cpu = DeviceProperties(type="CPU", num_cores=16, frequency=2000)
    devices = [NamedDevice(name=HOST, properties=cpu)]
    devices += [NamedDevice(name=GPU, properties=gpu)]
    meta = meta_graph_pb2.MetaGraphDef(graph_def=graph)
    meta.collection_def["train_op"].node_list.value.extend(fetches)
    config = config_pb2.ConfigProto()
    rewrite = config.graph_options.rewrite_options
    rewrite.min_graph_nodes = -1
    if options.get("layout_optimizer") is False:
        rewrite.layout_optimizer = rewrite.OFF
    return tf_optimizer.OptimizeGraph(
        config, meta, cluster=cluster.Cluster(devices=devices)
    )


def data_inputs(node) -> list[str]:
    """Names of the nodes whose tensors a node reads."""
    return [name.split(":")[0] for name in node.input if not name.startswith("^")]


def category(name: str) -> str:
    """What a node is part of, by its name."""
    name = re.sub(r"\b(gradient_tape|StatefulPartitionedCall|Func)/", "", name)
    name = re.sub(r"^(generalized_|mask_|cascade_)?\w*rcnn(_\d+)?/", "", name)
    head = name.split("/")[0] if "/" in name else ""
    return re.sub(r"(_\d+)+$", "", head) or "other"


def count(graph) -> dict:
    """The figures of a placed graph."""
    devices = {node.name: node.device for node in graph.node}
    nodes = [node for node in graph.node if node.device == GPU]
    crossing: set = set()
    for node in graph.node:
        for name in node.input:
            source = devices[name.lstrip("^").split(":")[0]]
            if source != node.device:
                crossing.add((name, source))
    receives = sorted(name for name, source in crossing if source == HOST)
    sends = sorted(name for name, source in crossing if source == GPU)
    kinds = collections.Counter(node.op for node in nodes)
    parts = collections.Counter(category(node.name) for node in nodes)
    return {
        "nodes_gpu": len(nodes) + len(sends) + len(receives),
        "nodes_cpu": len(graph.node) - len(nodes),
        "sends": len(sends),
        "receives": len(receives),
        "transposes": kinds["Transpose"],
        "casts": kinds["Cast"],
        "kinds": dict(kinds.most_common(40)),
        "parts": dict(parts.most_common(30)),
        "sent": sends,
        "received": receives,
    }


def measure(options) -> dict:
    import tensorflow as tf

    from tfmask.training.devices import GRAPH_OPTIONS

    function, on_host = traced(
        options.recipe, options.overrides, options.size, options.batch
    )
    placer, graph = Placer(on_host), lowered(function)
    placer.place(graph)
    fetches = [t.name for t in function.graph.outputs]
    fetches += [op.name for op in function.graph.control_outputs]
    graph = optimised(graph, fetches, GRAPH_OPTIONS)
    missing = [node.name for node in graph.node if not node.device]
    assert not missing, missing
    if options.graph:
        tf.io.write_graph(graph, ".", options.graph, as_text=False)
    return {"recipe": options.recipe, **count(graph)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="mask_rcnn/detectron2_r50")
    parser.add_argument("overrides", nargs="*", metavar="path=value")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", default="800x1333")
    parser.add_argument("--graph", help="file for the placed graph, as a GraphDef")
    print(json.dumps(measure(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
