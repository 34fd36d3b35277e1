"""From the command line to a checked configuration."""

import json
from pathlib import Path

from tfmask.config import (
    Config,
    apply_overrides,
    from_dict,
    load_config,
    validate,
)
from tfmask.errors import ConfigError


def read_config(name: str, overrides: list[str]) -> Config:
    """The configuration of a recipe or of a run, with overrides, checked.

    Args:
      name: a recipe, or the `config.json` of a run.
      overrides: `path=value` texts.

    Raises:
      ConfigError: anything wrong with any of it.
    """
    config = _from_json(name) if name.endswith(".json") else load_config(name)
    return validate(apply_overrides(config, overrides))


def _from_json(name: str) -> Config:
    try:
        value = json.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(f"{name}: is not JSON ({error})") from error
    try:
        return from_dict(value)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error
