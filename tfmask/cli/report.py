"""`tfmask report`."""

from pathlib import Path

from tfmask.cli.judge import judge_file
from tfmask.cli.settings import read_config
from tfmask.config import Config, apply_overrides, validate


def report(options) -> int:
    """Write one HTML page on a run, or on two: figures, mistakes, images."""
    from tfmask.data.sets import load_validation
    from tfmask.report.build import judge, write_report
    from tfmask.report.sources import find_results

    overrides, second = list(options.overrides), options.second
    if second and "=" in second and not Path(second).exists():
        overrides, second = [second, *overrides], None
    sources = [find_results(run) for run in (options.first, second) if run]
    if options.config:
        config = read_config(options.config, overrides)
    else:
        config = sources[0].config or Config()
        config = validate(apply_overrides(config, overrides))
    dataset = load_validation(config.data)
    names = [source.name for source in sources]
    if len(set(names)) < len(names):
        names = [str(source.results) for source in sources]
    runs = []
    for name, source in zip(names, sources):
        metrics = judge_file(str(source.results), dataset, config)
        runs.append(judge(name, metrics, options.threshold))
    write_report(
        options.output,
        runs,
        dataset,
        images=options.images,
        draws=options.draws,
        about=" ".join(f"{s.results}." for s in sources),
    )
    size = Path(options.output).stat().st_size / 2**20
    print(f"{options.output}: {size:.1f} MiB", flush=True)
    return 0
