"""`tfmask augment`: what the settings of augmentation do, as a picture."""

from tfmask.cli.settings import read_config
from tfmask.errors import ConfigError
from tfmask.files import write_atomically


def augment(options) -> int:
    """Draw training examples as the model gets them, with boxes and masks."""
    config = read_config(options.config, options.overrides)
    if not config.data.train:
        raise ConfigError(
            "data.train: expected the training data, e.g. data.train=FOLDER with "
            "annotations.json and images/ in it"
        )
    from tfmask.data.loader import ExampleLoader
    from tfmask.data.readers import load_dataset
    from tfmask.evaluation.contact_sheet import contact_sheet
    from tfmask.evaluation.visualize import encode_png

    dataset = load_dataset(
        config.data.train, config.data.train_images, config.data, training=True
    )
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
