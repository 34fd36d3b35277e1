"""Where TensorFlow has the nodes of a graph and their tensors on a machine with a GPU.

TensorFlow's CUDA package registers its GPU kernels where there is no GPU too, and with
each of them which of its inputs and outputs lie in the memory of the host.
"""

import collections

from tensorflow.core.framework.types_pb2 import DT_RESOURCE

HOST = "/job:localhost/replica:0/task:0/device:CPU:0"
GPU = "/job:localhost/replica:0/task:0/device:GPU:0"
OWN = "Tfmask>"  # compiled ops: the library here may lack its GPU kernels

# Kernels that hand on a tensor or a number and compute nothing on the GPU.
_HAND_ON = frozenset(
    "Const Placeholder ReadVariableOp Switch Merge Enter Exit NextIteration LoopCond "
    "Identity IdentityN Reshape ExpandDims Squeeze EnsureShape Bitcast Shape ShapeN "
    "Size Rank NoOp StopGradient TensorListReserve TensorListGetItem "
    "TensorListSetItem".split()
)
# Types of arguments of functions that lie on the host.
_HOST_TYPES = ("int32", "string", "resource")


class Placer:
    """Places the nodes of a graph.

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
            node.device = HOST if asked or not self._has_gpu_kernel(node) else GPU
        for node in graph.node:
            sources = [nodes[name] for name, _ in data_inputs(node)]
            for source in sources:
                readers[source.name].add(node.device)
                if source.name in self.on_host and "Variable" in node.op:
                    node.device = HOST
            if node.op in ("Shape", "ShapeN", "Size", "Rank"):
                node.device = sources[0].device
        for node in graph.node:  # a constant is where it is read
            if node.op == "Const" and readers[node.name] == {HOST}:
                node.device = HOST

    def crossings(self, graph) -> tuple[list[str], list[str]]:
        """Tensors that are copied between the memories of host and GPU.

        A kernel on the GPU may want its input in the host's memory, or leave its output
        there: shapes, most of int32. TensorFlow puts one send and one receive for each
        tensor between two such nodes, however many read it.

        Returns:
          (names of those that are sent from the GPU to the host, received from it).
        """
        memories = {node.name: self._memories(node) for node in graph.node}
        sends, receives = {}, {}
        for node in graph.node:
            wanted = memories[node.name][0]
            for (source, output), on_host in zip(data_inputs(node), wanted):
                given = memories[source][1][output]
                if given != on_host:
                    (sends if on_host else receives)[f"{source}:{output}"] = None
        return list(sends), list(receives)

    def work(self, node) -> str:
        """Where a node of the GPU computes: `gpu`, `host`, or `none` if nowhere."""
        if node.op in _HAND_ON:
            return "none"
        outputs = self._memories(node)[1]
        return "host" if outputs and all(outputs) else "gpu"

    def _memories(self, node) -> tuple[list[bool], list[bool]]:
        """Whether each input and each output of a node lies on the host."""
        definition = self._definition(node.op)
        if definition is None:  # a compiled op that is not loaded: all on the GPU
            return [False] * len(node.input), [False] * 64
        inputs = _expanded(definition.input_arg, node)
        outputs = _expanded(definition.output_arg, node)
        if node.device == HOST:
            return [True] * len(inputs), [True] * len(outputs)
        if node.op == "Placeholder":
            return [], _of_types([node.attr["dtype"].type])
        if node.op in ("PartitionedCall", "StatefulPartitionedCall"):
            attributes = (node.attr[name].list.type for name in ("Tin", "Tout"))
            inputs, outputs = map(_of_types, attributes)
            return inputs, outputs
        kernel = self._gpu_kernel(node)
        on_host = set(kernel.host_memory_arg) if kernel else set()
        # Handles are always there, whatever a kernel says.
        on_host |= {a.name for a in definition.input_arg if a.type == DT_RESOURCE}
        return [n in on_host for n in inputs], [n in on_host for n in outputs]

    def _has_gpu_kernel(self, node) -> bool:
        own = node.op.startswith(OWN) or node.op == "Placeholder"
        return own or self._gpu_kernel(node) is not None

    def _gpu_kernel(self, node):
        types = {k: (v.type, *v.list.type) for k, v in node.attr.items()}
        key = node.op, tuple(sorted(types.items()))
        if key not in self._known:
            fitting = [
                kernel
                for kernel in self._registered(node.op).kernel
                if kernel.device_type in ("GPU", "DEFAULT")
                and not kernel.label
                and all(self._allows(c, node) for c in kernel.constraint)
            ]
            # A kernel for GPUs goes before one for any device.
            fitting.sort(key=lambda k: (k.priority, k.device_type == "GPU"))
            self._known[key] = fitting[-1] if fitting else None
        return self._known[key]

    def _allows(self, constraint, node) -> bool:
        value = node.attr.get(constraint.name)
        if value is None:
            attributes = self._definition(node.op).attr
            value = next(a for a in attributes if a.name == constraint.name)
            value = value.default_value
        types = value.list.type or [value.type]
        return set(types) <= set(constraint.allowed_values.list.type)


def _of_types(types) -> list[bool]:
    """Whether each argument of a function lies on the host."""
    import tensorflow as tf

    return [tf.as_dtype(kind).name in _HOST_TYPES for kind in types]


def data_inputs(node) -> list[tuple[str, int]]:
    """(name of the node, number of its output) of each tensor that a node reads."""
    read = [name.partition(":") for name in node.input if not name.startswith("^")]
    return [(name, int(output or 0)) for name, _, output in read]


def _expanded(arguments, node) -> list[str]:
    """The name of each input or output, lists of them at full length."""
    names = []
    for argument in arguments:
        count = 1
        if argument.number_attr:
            count = node.attr[argument.number_attr].i
        elif argument.type_list_attr:
            count = len(node.attr[argument.type_list_attr].list.type)
        names += [argument.name] * count
    return names
