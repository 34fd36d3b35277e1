"""Results without a model: comparison of results files, figures as CSV."""

import csv
import io

from tfmask.config import Config
from tfmask.errors import ConfigError, EvaluationError
from tfmask.files import write_atomically


def judge_file(path: str, dataset, config: Config):
    """COCO's figures of a results file, a `coco_metrics.Metrics`.

    Raises:
      EvaluationError: naming the file and the first result that cannot be used.
    """
    from tfmask.evaluation.coco_metrics import metric
    from tfmask.evaluation.results import read_results

    results = read_results(path)
    try:
        return metric(dataset, results, config.evaluation)
    except EvaluationError as error:
        raise EvaluationError(f"{path}: {error}") from error


def compare_results(options, config: Config) -> int:
    """Prints what two results files differ by, and writes it as CSV."""
    from tfmask.data.sets import load_validation
    from tfmask.evaluation.comparison import (
        compare,
        comparison_rows,
        format_comparison,
    )

    for name in ("results", "metrics"):
        if getattr(options, name):
            raise ConfigError(
                f"--{name} with --compare: expected --load, since no model is run; "
                "the differences go to --csv"
            )
    dataset = load_validation(config.data)
    first, second = (judge_file(path, dataset, config) for path in options.compare)
    comparison = compare(first, second)
    if options.csv:
        write_csv(options.csv, comparison_rows(comparison, options.per_class))
        print(f"differences -> {options.csv}")
    print(format_comparison(comparison, *options.compare), flush=True)
    return 0


def figure_rows(figures, per_class: bool) -> list[list]:
    """Figures of any metric as the rows of a CSV file.

    Raises:
      ConfigError: figures of each class, of a metric that has none.
    """
    from tfmask.evaluation.comparison import figure_rows as rows

    if per_class and not hasattr(figures, "per_class"):
        raise ConfigError("--per-class: this metric gives no figures of each class")
    return rows(figures, per_class)


def write_csv(path: str, rows: list[list]) -> None:
    """Writes rows, the first of which names the columns."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_atomically(path, text.getvalue())
