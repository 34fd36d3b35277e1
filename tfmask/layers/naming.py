"""Names of a model's layers and weights, the same on every Keras version."""

import keras


def named_weights(layer: keras.layers.Layer) -> dict:
    """Every weight below a layer by its path, e.g. `backbone/res2_0/conv1/kernel`.

    Paths are made of layer names and the weight's own name. Keras's `variable.name` and
    `variable.path` differ between versions; this does not. Layers that only arrange
    other layers (`Part.names_weights`) are not in the paths. A layer that several parts
    share is named once, by the first of them.

    Returns:
      An ordered dict of path to variable, without the name of `layer` itself.

    Raises:
      ValueError: two weights have the same path.
    """
    weights: dict = {}
    for prefix, node in _walk(layer):
        for variable in _own_weights(node):
            path = prefix + variable.name.split("/")[-1].split(":")[0]
            if path in weights:
                raise ValueError(f"{path}: two weights of this name; rename a sublayer")
            weights[path] = variable
    return weights


def named_layers(layer: keras.layers.Layer) -> dict[str, keras.layers.Layer]:
    """Every layer below a layer by its path, e.g. `backbone/res2_0/conv1`.

    The paths of its weights in `named_weights` start with it and a slash. Layers that
    are not in those paths are left out, see there.
    """
    return {
        prefix[:-1]: node
        for prefix, node in _walk(layer)
        if prefix and getattr(node, "names_weights", True)
    }


def _walk(layer):
    """(prefix of the paths of its weights, layer) of a layer and all below it."""
    seen = set()

    def walk(node, prefix):
        seen.add(id(node))
        yield prefix, node
        for child in node._flatten_layers(include_self=False, recursive=False):
            if id(child) not in seen:
                named = getattr(child, "names_weights", True)
                yield from walk(child, f"{prefix}{child.name}/" if named else prefix)

    return walk(layer, "")


def _own_weights(layer):
    """Weights that the layer holds itself, not through a sublayer."""
    if hasattr(layer, "_trainable_variables"):  # Keras 3
        return [*layer._trainable_variables, *layer._non_trainable_variables]
    return [*layer._trainable_weights, *layer._non_trainable_weights]


def raw_variable(variable):
    """The tf.Variable behind a weight (Keras 3 wraps it)."""
    return variable if not hasattr(variable, "_value") else variable.value


def stored_variable(variable):
    """The tf.Variable that holds a weight: to read it casts nothing.

    A weight of Keras is read in the type of the layer that is being called, also of one
    that asks for no such cast; Keras 2.15 puts an object around the variable for it.
    """
    if hasattr(variable, "_value"):
        return variable._value
    wrapped = type(variable).__name__.startswith("AutoCast")
    return variable._variable if wrapped else variable
