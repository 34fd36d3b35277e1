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
from placer import GPU, HOST, Placer

common.quiet()


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


def category(name: str) -> str:
    """What a node is part of, by its name."""
    name = re.sub(r"\b(gradient_tape|StatefulPartitionedCall|Func)/", "", name)
    name = re.sub(r"^(generalized_|mask_|cascade_)?\w*rcnn(_\d+)?/", "", name)
    head = name.split("/")[0] if "/" in name else ""
    return re.sub(r"(_\d+)+$", "", head) or "other"


def count(placer: Placer, graph) -> dict:
    """The figures of a placed graph."""
    nodes = [node for node in graph.node if node.device == GPU]
    sends, receives = placer.crossings(graph)
    kinds = collections.Counter(node.op for node in nodes)
    parts = collections.Counter(category(node.name) for node in nodes)
    work = collections.Counter(placer.work(node) for node in nodes)
    return {
        "nodes_gpu": len(nodes) + len(sends) + len(receives),
        "nodes_cpu": len(graph.node) - len(nodes),
        "launching": work["gpu"],
        "computed_on_host": work["host"],
        "handed_on": work["none"],
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
    return {"recipe": options.recipe, **count(placer, graph)}


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
