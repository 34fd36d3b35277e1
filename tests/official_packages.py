"""The figures of the packages `lvis` and `cityscapesscripts`, to compare with.

They are not in the environments, since `lvis` asks for an OpenCV that clashes with the
headless one: `pip install --no-deps --target DIR lvis==0.5.3 cityscapesscripts==2.3.0`
and DIR on PYTHONPATH run the tests that need them. What they plot and colour with is
not needed here, and stood in for.
"""

import contextlib
import io
import sys
import types
from unittest import mock

import numpy as np
import pytest


def _stand_in(monkeypatch, name: str, **content) -> None:
    module = types.ModuleType(name)
    vars(module).update(content)
    monkeypatch.setitem(sys.modules, name, module)


def lvis_figures(
    annotations: str, results: list, kind: str, max_dets: int, monkeypatch
) -> dict:
    """AP, AP50, ... of the `lvis` package; `kind` is "bbox" or "segm"."""
    _stand_in(monkeypatch, "lvis.vis", LVISVis=None)
    lvis = pytest.importorskip("lvis", reason="the package lvis is not installed")
    monkeypatch.setattr(np, "float", float, raising=False)  # gone since numpy 1.24
    truth = lvis.LVIS(annotations)
    found = lvis.LVISResults(truth, [dict(r) for r in results], max_dets)
    run = lvis.LVISEval(truth, found, kind)
    run.params.max_dets = max_dets  # only in the names of figures
    run.run()
    return run.get_results()


def _cityscapes(name: str, monkeypatch):
    for absent in ("pyquaternion", "coloredlogs", "appdirs"):
        _stand_in(monkeypatch, absent, Quaternion=None)
    with contextlib.redirect_stdout(io.StringIO()):
        return pytest.importorskip(
            f"cityscapesscripts.{name}",
            reason="the package cityscapesscripts is not installed",
        )


def cityscapes_ids(polygons: str, monkeypatch) -> np.ndarray:
    """The image of instance ids that the scripts draw of a polygon file."""
    script = _cityscapes("preparation.json2instanceImg", monkeypatch)
    annotation = script.Annotation()
    annotation.fromJsonFile(polygons)
    return np.array(script.createInstanceImage(annotation, "ids"))


def cityscapes_figures(ground_truth: list, texts: list, monkeypatch) -> dict:
    """The averages of `evalInstanceLevelSemanticLabeling`.

    Args:
      ground_truth: paths of `*_instanceIds.png`.
      texts: the result file of each.
    """
    script = _cityscapes("evaluation.evalInstanceLevelSemanticLabeling", monkeypatch)
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)  # gone since numpy 2.4
    root = str(texts[0].parent)
    monkeypatch.setattr(script.args, "predictionPath", root)
    monkeypatch.setattr(script.args, "gtInstancesFile", f"{root}/gt.json")
    monkeypatch.setattr(script.args, "JSONOutput", False)
    monkeypatch.setattr(script.args, "quiet", True)
    monkeypatch.chdir(root)  # it writes matches.json there
    with mock.patch.object(script, "writeDict2JSON", lambda *_: None):
        done = script.evaluateImgLists(
            [str(t) for t in texts], [str(g) for g in ground_truth], script.args
        )
    return done["averages"]
