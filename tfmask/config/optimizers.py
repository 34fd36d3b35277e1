"""Names that `train.optimizer` may have, known without importing Keras."""

import difflib

from tfmask.errors import ConfigError

# Classes of keras.optimizers, Keras 2.15 to 3.15, in any case.
KERAS = (
    "Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion Muon Nadam RMSprop "
    "ScheduleFreeAdamW SGD"
).split()
# Of tensorflow-addons 0.23, its last release.
ADDONS = (
    "AdaBelief AdamW COCOB ConditionalGradient LAMB LazyAdam Lookahead MovingAverage "
    "NovoGrad ProximalAdagrad RectifiedAdam SGDW SWA Yogi"
).split()


def check_optimizer(name: str) -> None:
    """Refuses a name that neither Keras nor tensorflow-addons has.

    Whether the installed Keras has it is seen when training makes it.

    Raises:
      ConfigError: no such optimizer; the message has the nearest names.
    """
    known = [*KERAS, *(f"tfa.{addon}" for addon in ADDONS)]
    if name in known or name.lower() in map(str.lower, KERAS):
        return
    folded = {word.lower(): word for word in known}
    near = difflib.get_close_matches(name.lower(), folded, 3) or folded
    raise ConfigError(
        f"train.optimizer={name}: expected sgd, a class of keras.optimizers or "
        f"tfa.NAME; near it: {', '.join(folded[word] for word in near)}"
    )
