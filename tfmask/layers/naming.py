"""Names of a model's weights, the same on every Keras version."""

import keras


def named_weights(layer: keras.layers.Layer) -> dict:
    """Every weight below a layer by its path, e.g. `backbone/res2_0/conv1/kernel`.

    Paths are made of layer names and the weight's own name. Keras's `variable.name` and
    `variable.path` differ between versions; this does not. Layers that only arrange
    other layers (`Part.names_weights`) are not in the paths.

    Returns:
      An ordered dict of path to variable, without the name of `layer` itself.

    Raises:
      ValueError: two weights have the same path.
    """
    by_path: dict = {}

    def walk(node, prefix):
        for variable in _own_weights(node):
            path = prefix + variable.name.split("/")[-1].split(":")[0]
            if path in by_path:
                raise ValueError(f"{path}: two weights of this name; rename a sublayer")
            by_path[path] = variable
        for child in node._flatten_layers(include_self=False, recursive=False):
            named = getattr(child, "names_weights", True)
            walk(child, f"{prefix}{child.name}/" if named else prefix)

    walk(layer, "")
    return by_path


def _own_weights(layer):
    """Weights that the layer holds itself, not through a sublayer."""
    if hasattr(layer, "_trainable_variables"):  # Keras 3
        return [*layer._trainable_variables, *layer._non_trainable_variables]
    return [*layer._trainable_weights, *layer._non_trainable_weights]


def raw_variable(variable):
    """The tf.Variable behind a weight (Keras 3 wraps it)."""
    return variable if not hasattr(variable, "_value") else variable.value
