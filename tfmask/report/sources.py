"""Where the results of a run lie, and the settings that they are judged by."""

import json
from pathlib import Path
from typing import NamedTuple

from tfmask.config import Config, from_dict
from tfmask.errors import ConfigError, EvaluationError


class Source(NamedTuple):
    """Results of a run."""

    name: str
    results: Path
    config: Config | None  # None: nothing beside the results says it


def find_results(run: str) -> Source:
    """The results of a run folder, or a results file itself.

    Args:
      run: a folder of `tfmask train`, or a JSON file of COCO results.

    Raises:
      EvaluationError: there are none; with the command that makes them.
      ConfigError: the run's config.json cannot be read.
    """
    path = Path(run)
    if path.is_dir():
        results = path / "results.json"
        if not results.is_file():
            raise EvaluationError(
                f"{run}: has no results.json, which an evaluation in the training "
                f"writes; make it with: tfmask evaluate {path / 'config.json'} --load "
                f"{run} --results {results}"
            )
        return Source(path.resolve().name, results, _config_in(path))
    if not path.is_file():
        raise EvaluationError(
            f"{run}: no such file or folder: expected a run folder of `tfmask train`, "
            "or a results file of `tfmask evaluate --results`"
        )
    name = path.stem
    if name == "results":
        name = path.resolve().parent.name
    return Source(name, path, _config_in(path.parent))


def _config_in(folder: Path) -> Config | None:
    path = folder / "config.json"
    if not path.is_file():
        return None
    try:
        return from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from error
