"""Loading public weights into a model, and writing them as a file of tfmask."""

import copy
import os

from tfmask.config import Config, ModelConfig, to_dict
from tfmask.errors import WeightsError
from tfmask.models.build import build_model
from tfmask.structures import ClassMap
from tfmask.weights import files as weight_files
from tfmask.weights import importer
from tfmask.weights.classes import describe
from tfmask.weights.load import load_weights, read_weights
from tfmask.weights.parts import part_of, start_copies
from tfmask.weights.readers.torch_file import Source
from tfmask.weights.report import Report, describe_copies


def load_into(
    model,
    settings: ModelConfig,
    spec: str,
    log=print,
    *,
    class_map: ClassMap | None = None,
    part: str = "",
) -> Report:
    """Loads the weights of another program into a model.

    Args:
      model: a built model.
      settings: what it was built from.
      spec: FORMAT:PATH, e.g. `detectron2:model_final_a54504.pkl`.
      log: gets the table of what was loaded, reset, missing and skipped.
      class_map: the classes the model is to know; see importer.plan_import.
      part: load this part alone, e.g. `backbone`.

    Raises:
      WeightsError: nothing of the model was changed.
    """
    format_name, path = importer.split_spec(spec)
    source = importer.read_source(format_name, path)
    report = load_arrays(
        model, settings, format_name, source, where=spec, class_map=class_map, part=part
    )
    log(str(report))
    return report


def load_arrays(
    model,
    settings: ModelConfig,
    format_name: str,
    source: Source,
    *,
    where: str = "weights",
    class_map: ClassMap | None = None,
    part: str = "",
) -> Report:
    """`load_into` for named arrays that are in memory already.

    Parts that start from others become copies of those, see parts.start_copies.
    """
    weights = weight_files.model_weights(model)
    plan = importer.plan_import(
        format_name,
        source,
        {name: tuple(w.shape) for name, w in weights.items()},
        settings,
        where,
        class_map,
        part,
    )
    for name, value in plan.values.items():
        weights[name].assign(value)
    return plan.report._replace(started=start_copies(model, plan.report.loaded))


def load_initial(
    model, settings: ModelConfig, log=print, *, class_map: ClassMap | None = None
) -> None:
    """Loads what `model.weights`, or else `model.backbone.weights`, names.

    Layers whose outputs are classes keep their initial values where the classes differ.
    Parts that start from others become copies of those, see parts.start_copies.

    Args:
      model: a built model.
      settings: what it was built from, and where the weights are.
      log: gets the table of what was loaded.
      class_map: the classes the model is to know.
    """
    spec, part = settings.weights, ""
    if not spec:
        spec, part = getattr(settings.backbone, "weights", ""), "backbone"
    if not spec:
        return
    if importer.split_spec(spec)[0]:
        load_into(model, settings, spec, log, class_map=class_map, part=part)
    elif part:
        _load_part(model, spec, part, log)
    else:
        log(str(load_weights(model, spec, class_map=class_map, reset_classes=True)))


def convert(
    source: str, format_name: str, config: Config, out: str, log=print
) -> Report:
    """Writes the weights of another program as a file of tfmask.

    The file remembers the class map and the configuration. A trunk without heads gives
    a file that holds the trunk alone, for `model.backbone.weights`.

    Args:
      source: the file.
      format_name: key of importer.FORMATS.
      config: of the model; its number of classes is taken from the file unless set.
      out: where to write, `*.tfmask.h5`.
      log: gets the table.

    Raises:
      WeightsError: the file cannot be read or is of another architecture.
    """
    if not out.endswith(weight_files.SUFFIX):
        raise WeightsError(f"{out}: expected a name that ends in {weight_files.SUFFIX}")
    config = copy.deepcopy(config)
    where = f"{format_name}:{source}"
    content = importer.read_source(format_name, source)
    if config.model.num_classes < 1:
        count = importer.count_file_classes(format_name, config.model, content, where)
        config.model.num_classes = count or 1
    model = build_model(config.model)
    report = load_arrays(model, config.model, format_name, content, where=where)
    log(str(report))
    weights = weight_files.model_weights(model)
    if report.missing:
        weights = {path: weights[path] for path in report.loaded}
    folder = os.path.dirname(out)
    if folder:
        os.makedirs(folder, exist_ok=True)
    weight_files.write(out, weights, report.class_map, to_dict(config))
    parts = ", ".join(dict.fromkeys(map(part_of, weights)))
    log(f"wrote {out}: {len(weights)} weights of {parts}")
    if report.class_map:
        log(f"classes: {describe(report.class_map)}")
    return report


def _load_part(model, path, part, log):
    """One part of a file of tfmask."""
    file = read_weights(path, model)
    weights = {
        name: variable
        for name, variable in weight_files.model_weights(model).items()
        if part_of(name) == part
    }
    for name, variable in weights.items():
        value, shape = file.weights.get(name), list(variable.shape)
        if value is None or list(value.shape) != shape:
            held = "nothing" if value is None else list(value.shape)
            raise WeightsError(
                f"{path}: {name}: expected {shape}, found {held}; use the recipe that "
                "the weights belong to"
            )
    for name, variable in weights.items():
        variable.assign(file.weights[name])
    log(f"{path}: {len(weights)} weights of {part} loaded")
    started = start_copies(model, weights)
    if started:
        log(describe_copies(started))
