"""From the command line to a checked configuration."""

import json
from pathlib import Path

from tfmask.config import (
    Config,
    apply_overrides,
    from_dict,
    load_config,
    require_complete,
    validate,
)
from tfmask.errors import ConfigError


def read_config(name: str, overrides: list[str], *, partial: bool = False) -> Config:
    """The configuration of a recipe or of a run, with overrides, checked.

    Args:
      name: a recipe, or the `config.json` of a run.
      overrides: `path=value` texts.
      partial: also a recipe that waits for something, which is good to be read alone.

    Raises:
      ConfigError: anything wrong with any of it.
    """
    config = _from_json(name) if name.endswith(".json") else load_config(name)
    validate(apply_overrides(config, overrides))
    return config if partial else require_complete(config, name)


def _from_json(name: str) -> Config:
    try:
        value = json.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(f"{name}: is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{name}: expected the config.json of a run, an object")
    try:
        return from_dict(value)
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{name}: is not the config.json of a run ({error})"
        ) from error
