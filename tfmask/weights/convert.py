"""Loading public weights into a model, and writing them as a `.weights.h5`."""

import copy
import os

from tfmask.config import Config, ModelConfig, to_dict
from tfmask.errors import WeightsError
from tfmask.layers.naming import named_weights
from tfmask.models.build import build_model
from tfmask.structures import ClassMap
from tfmask.weights import files as weight_files
from tfmask.weights import importer
from tfmask.weights.classes import describe
from tfmask.weights.load import (
    describe_start,
    load_weights,
    read_weights,
    start_refining_heads,
)
from tfmask.weights.readers.torch_file import Source
from tfmask.weights.report import Report


def is_foreign(spec: str) -> bool:
    """Whether `spec` is FORMAT:PATH; otherwise it names weights of tfmask."""
    return ":" in spec and spec.split(":", 1)[0].isidentifier()


def load_into(
    model,
    spec: str,
    log=print,
    *,
    class_map: ClassMap | None = None,
    part: str = "",
) -> Report:
    """Loads the weights of another program into a model.

    Args:
      model: a built model.
      spec: FORMAT:PATH, e.g. `detectron2:model_final_a54504.pkl`.
      log: gets the table of what was loaded, reset, missing and skipped.
      class_map: the classes the model is to know; see importer.plan_import.
      part: load this part alone, e.g. `backbone`.

    Raises:
      WeightsError: nothing of the model was changed.
    """
    format_name, _, path = spec.partition(":")
    source = importer.read_source(format_name, path)
    report = load_arrays(
        model, format_name, source, where=spec, class_map=class_map, part=part
    )
    log(str(report))
    return report


def load_arrays(
    model,
    format_name: str,
    source: Source,
    *,
    where: str = "weights",
    class_map: ClassMap | None = None,
    part: str = "",
) -> Report:
    """`load_into` for named arrays that are in memory already."""
    weights = _weights(model)
    plan = importer.plan_import(
        format_name,
        source,
        {name: tuple(w.shape) for name, w in weights.items()},
        model.settings,
        where,
        class_map,
        part,
    )
    for name, value in plan.values.items():
        weights[name].assign(value)
    return plan.report


def load_initial(
    model, settings: ModelConfig, log=print, *, class_map: ClassMap | None = None
) -> None:
    """Loads what `model.weights`, or else `model.backbone.weights`, names.

    Layers whose outputs are classes keep their initial values where the classes differ.
    Refining heads that the weights do not have become copies of the base heads.

    Args:
      model: a built model.
      settings: where the weights are.
      log: gets the table of what was loaded.
      class_map: the classes the model is to know.
    """
    spec, part = settings.weights, ""
    if not spec:
        spec, part = settings.backbone.weights, "backbone"
    if spec and is_foreign(spec):
        report = load_into(model, spec, log, class_map=class_map, part=part)
        started = start_refining_heads(model, report.loaded)
        if started:
            log(describe_start(started))
    elif spec and part:
        _load_part(model, spec, part, log)
    elif spec:
        log(str(load_weights(model, spec, class_map=class_map, reset_classes=True)))


def convert(
    source: str, format_name: str, config: Config, out: str, log=print
) -> Report:
    """Writes the weights of another program as a `.weights.h5` of tfmask.

    The file remembers the class map and the configuration. A trunk without heads gives
    a file that holds the trunk alone, for `model.backbone.weights`.

    Args:
      source: the file.
      format_name: key of importer.FORMATS.
      config: of the model; its number of classes is taken from the file unless set.
      out: where to write, `*.weights.h5`.
      log: gets the table.

    Raises:
      WeightsError: the file cannot be read or is of another architecture.
    """
    if not out.endswith(".weights.h5"):
        raise WeightsError(f"{out}: expected a name that ends in .weights.h5")
    config = copy.deepcopy(config)
    spec = f"{format_name}:{source}"
    if config.model.num_classes < 1:
        arrays = importer.read_source(format_name, source).arrays
        dialect = importer.choose_dialect(format_name, config.model, arrays, spec)
        config.model.num_classes = importer.count_classes(dialect, arrays) or 1
    model = build_model(config.model)
    report = load_into(model, spec, log)
    whole = not report.missing
    weights = _weights(model)
    if not whole:
        weights = {path: weights[path] for path in report.loaded}
    folder = os.path.dirname(out)
    if folder:
        os.makedirs(folder, exist_ok=True)
    weight_files.write(out, weights, report.class_map, to_dict(config))
    parts = ", ".join(dict.fromkeys(path.split("/")[0] for path in weights))
    log(f"wrote {out}: {len(weights)} weights of {parts}")
    if report.class_map:
        log(f"classes: {describe(report.class_map)}")
    return report


def _load_part(model, path, part, log):
    """One part of a file of tfmask."""
    file = read_weights(path)
    weights = {k: v for k, v in _weights(model).items() if k.startswith(part + "/")}
    for name, variable in weights.items():
        value = file.weights.get(name)
        if value is None or value.shape != tuple(variable.shape):
            found = "nothing" if value is None else list(value.shape)
            raise WeightsError(
                f"{path}: {name}: expected {list(variable.shape)}, found {found}; use "
                "the recipe that the weights belong to"
            )
    for name, variable in weights.items():
        variable.assign(file.weights[name])
    log(f"{path}: {len(weights)} weights of {part} loaded")


def _weights(model) -> dict:
    """Path -> variable without the loss weights, which are state of a training."""
    return {
        path: variable
        for path, variable in named_weights(model).items()
        if not path.startswith("loss_weights/")
    }
