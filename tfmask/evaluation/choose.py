"""The predictor that the settings of a run ask for."""

from tfmask.config import Config
from tfmask.evaluation.predictor import Predictor
from tfmask.evaluation.tiles import TiledPredictor
from tfmask.evaluation.views import ViewsPredictor
from tfmask.structures import ClassMap


def make_predictor(
    model, config: Config, class_map: ClassMap, *, boundaries: bool = False
) -> Predictor | TiledPredictor:
    """A predictor with `evaluation.scales`, `flip`, `tile` and `overlap`.

    Args:
      model: as for `Predictor`.
      config: data and evaluation.
      class_map: which label is which category.
      boundaries: also give the boundaries that the model predicts, if it predicts any.

    Raises:
      EvaluationError: the model cannot do what is asked for.
    """
    asked = config.evaluation
    if asked.flip or asked.scales != (1.0,):
        predictor: Predictor = ViewsPredictor(
            model,
            config.data,
            class_map,
            scales=asked.scales,
            flip=asked.flip,
            boundaries=boundaries,
        )
    else:
        predictor = Predictor(model, config.data, class_map, boundaries=boundaries)
    if asked.tile:
        return TiledPredictor(predictor, asked.tile, asked.overlap)
    return predictor
