"""Whether a configuration gives its trunk weights that it can be frozen at."""

from tfmask.config.schema import Config


def why_random_trunk(config: Config) -> str:
    """What is wrong with a frozen trunk of random weights; empty if it is none.

    Frozen batch normalisation without statistics is the identity: the sums of the
    residual blocks double from one to the next, and the first losses are not finite,
    whatever the learning rate. A backbone from outside may have weights of its own.
    """
    model, backbone = config.model, config.model.backbone
    if not backbone.own_tag() or backbone.norm != "frozen_bn":
        return ""
    if model.weights or backbone.weights:
        return ""
    return (
        "model.backbone.norm=frozen_bn without weights: the trunk's normalisation is "
        "frozen, and random weights under it end in losses that are not finite; "
        "expected model.backbone.weights=FORMAT:FILE (or model.weights) to start from, "
        "or, to train from random weights, model.backbone.norm=gn or bn with "
        "model.backbone.freeze_at=0"
    )
