"""Writes the HDF5 layouts of Keras's versions."""

import h5py


def write_keras_2(path, weights, root="", suffix=":0"):
    """`save_weights("x.h5")` of Keras 2; with `root`, a whole saved model."""
    with h5py.File(path, "w") as file:
        group = file.create_group(root) if root else file
        layers = list(dict.fromkeys(name.split("/")[0] for name in weights))
        group.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer in layers:
            names = [n + suffix for n in weights if n.startswith(layer + "/")]
            inner = group.create_group(layer)
            inner.attrs["weight_names"] = [name.encode() for name in names]
            for name in names:
                inner[name] = weights[name.removesuffix(":0")]
    return str(path)


def write_keras_3(path, weights, names=True):
    """`.weights.h5` of Keras 3: layers by class, variables by number."""
    with h5py.File(path, "w") as file:
        for layer, kind in (("conv1_conv", "conv2d"), ("conv1_bn", "batch_norm_4")):
            group = file.create_group(f"layers/{kind}/vars")
            if names:
                group.attrs["name"] = layer
            values = [v for n, v in weights.items() if n.startswith(layer + "/")]
            for i, value in enumerate(values):
                group[str(i)] = value
        file.create_group("vars")
    return str(path)
