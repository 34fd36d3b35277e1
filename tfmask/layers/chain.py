"""Layers that run one after another."""


def build_chain(layers, channels: int) -> int:
    """Builds convolutions that run one after another.

    Args:
      layers: each with `filters`, its output channels.
      channels: of what the first reads.

    Returns:
      Channels of the last, or `channels` where there is none.
    """
    for layer in layers:
        layer.build((None, None, None, channels))
        channels = layer.filters
    return channels


def build_dense_chain(layers, width: int) -> int:
    """The same for dense layers, each with `units`."""
    for layer in layers:
        layer.build((None, width))
        width = layer.units
    return width


def run_chain(layers, x):
    """Runs layers one after another."""
    for layer in layers:
        x = layer(x)
    return x
