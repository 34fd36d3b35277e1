"""`tfmask augment`: what the settings of augmentation do, as a picture."""

from tfmask.cli.settings import read_config
from tfmask.files import write_atomically


def augment(options) -> int:
    """Draw training examples as the model gets them, with boxes and masks."""
    config = read_config(options.config, options.overrides)
    from tfmask.data.loader import ExampleLoader
    from tfmask.data.sets import load_training
    from tfmask.evaluation.contact_sheet import contact_sheet
    from tfmask.evaluation.visualize import encode_png

    dataset = load_training(config.data)
    loader = ExampleLoader(
        dataset,
        config.data,
        True,
        config.train.seed,
        batch_size=config.train.batch_size,
    )
    positions = range(options.start, options.start + options.examples)
    sheet = contact_sheet(loader, positions, options.columns, options.side)
    write_atomically(options.output, encode_png(sheet))
    print(f"examples {positions[0]} to {positions[-1]} -> {options.output}")
    return 0
