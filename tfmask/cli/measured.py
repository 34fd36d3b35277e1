"""Figures of runs and of evaluations, for the tables of what was published."""

import json
from pathlib import Path

from tfmask.config import load_config
from tfmask.errors import ConfigError


def read_measured(pairs: list[str]) -> dict[str, dict[str, float]]:
    """The figures of recipes, in percent.

    Args:
      pairs: `RECIPE=PATH`: a run folder, whose last evaluation counts, or a file of
        `tfmask evaluate --metrics`.

    Raises:
      ConfigError: no such recipe, no such file, or no figures in it.
    """
    measured = {}
    for pair in pairs:
        recipe, _, path = pair.partition("=")
        if not recipe or not path:
            raise ConfigError(
                f"--measured {pair}: expected RECIPE=PATH, e.g. "
                "maskplus/biased=runs/biased"
            )
        load_config(recipe)
        figures = _read(Path(path).expanduser())
        # AP and AR are fractions; whatever else a metric tells has no published column.
        measured[recipe] = {name: 100 * value for name, value in figures.items()}
    return measured


def _read(path: Path) -> dict[str, float]:
    file = path / "metrics.jsonl" if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
    figures = None
    try:
        if path.is_dir():
            # The last line can be cut off where a run was killed.
            whole = text[: text.rfind("\n") + 1].splitlines()
            records = [json.loads(line) for line in whole]
            found = [r["evaluation"] for r in records if "evaluation" in r]
            figures = found[-1] if found else None
        else:
            figures = json.loads(text)["figures"]
    except (ValueError, KeyError, TypeError):
        pass
    if not isinstance(figures, dict):
        raise ConfigError(
            f"{file}: expected an evaluation in it: a run folder after its first "
            "evaluation, or a file of `tfmask evaluate --metrics`"
        )
    return {k: v for k, v in figures.items() if isinstance(v, int | float)}
