"""The published tables, and the page that is made of them."""

from collections import Counter
from pathlib import Path

import pytest

from tfmask.config import format_tables, load_config, recipe_names, tables_as_data
from tfmask.config.tables import paper, papers, recipes_without_rows
from tfmask.config.tables_text import OTHER
from tfmask.errors import ConfigError
from tfmask.models.build import build_model
from tfmask.models.counting import count_parameters
from tfmask.models.macs import model_macs

PAGE = Path(__file__).parent.parent / "docs" / "recipes.md"
ROWS = tables_as_data()
# What the recipes of papers are for that stand in no table.
WITHOUT_FIGURES = {
    "composed/hrnet_bmask_refined",
    "composed/iefpn_bmask_cascade",
    "composed/maskplus_refined",
    "composed/panet_encoder_decoder",
    "iemask_rcnn/released_r50",
    "maskplus/cf_512",
    "maskplus/maskplus_r50",
}
# Rows of each paper's tables, and how many of them are of other methods.
COUNTS = {
    "MaskPlus (WACV 2020)": (26, 5),
    "MR R-CNN": (51, 7),
    "BMask R-CNN (ECCV 2020)": (67, 15),
    "IEMask R-CNN": (87, 26),
    "Mask Scoring R-CNN (CVPR 2019)": (2, 0),
    "PANet (CVPR 2018)": (2, 0),
    "Detectron2": (1, 0),
    "Tensorpack": (3, 0),
}

# (paper, table, data, row) -> recipe and figures, in the order of the paper's columns.
PUBLISHED = {
    ("MaskPlus", "Table 1", "256-256-256"): (
        "maskplus/cf_256x3",
        "35.4 56.9 37.7 18.4 38.5 48.7",
    ),
    ("MaskPlus", "Table 3", "boundary refinement, improved"): (
        "maskplus/ibr",
        "35.5 56.9 38.0 18.3 38.8 49.1",
    ),
    ("MaskPlus", "Table 4", "0.5x mask"): (
        "maskplus/mask05x",
        "34.3 56.4 36.7 17.9 37.7 46.4",
    ),
    ("MaskPlus", "Table 7", "MaskPlus+"): (
        "maskplus/maskplus_plus_r101",
        "40.9 63.0 44.5 23.5 43.6 52.3",
    ),
    ("MaskPlus", "Table 7", "FCIS + OHEM"): (None, "29.2 49.5 7.1 31.3 50.0"),
    ("MaskPlus", "Table 7", "Mask Scoring R-CNN"): (
        "mask_scoring/r101",
        "38.3 58.8 41.5 17.8 40.4 54.4",
    ),
    ("MR R-CNN", "Table 1", "MR R-CNN R101-FPN"): (
        "mr_rcnn/r101",
        "41.4 62.4 45.5 37.1 59.1 39.7",
    ),
    ("MR R-CNN", "Table 2", "MS R-CNN R101-DCN-FPN"): (
        "mask_scoring/r101_dcn",
        "43.6 64.4 48.5 39.6 60.7 43.1",
    ),
    ("MR R-CNN", "Table 3", "R101-FPN"): (
        "mask_rcnn/maskrcnn_benchmark_r101",
        "40.1 36.1",
    ),
    ("MR R-CNN", "Table 4", "X101-32x8d-FPN"): (
        "mask_rcnn/maskrcnn_benchmark_x101",
        "42.2 37.8",
    ),
    ("MR R-CNN", "Table 5", "alpha 10"): ("mr_rcnn/r50_alpha_10", "39.2 35.2"),
    ("BMask", "Table 2", "BMask R-CNN R101-FPN with Mask Scoring"): (
        "mask_scoring/bmask_r101",
        "38.7 59.1 41.9 17.4 40.7 55.5",
    ),
    ("BMask", "Table 8", "larger mask head"): (
        "bmask_rcnn/abl_lmh",
        "33.7 54.6 35.8 36.7 0.93 61.3",
    ),
    ("BMask", "Table 9", "Neven et al."): (
        None,
        "27.6 50.9 34.5 26.1 52.4 21.7 31.2 16.4 20.1 18.9",
    ),
    ("BMask", "README", "Cascade BMask R-CNN R101-FPN"): (
        "bmask_rcnn/detectron2_cascade_r101",
        "39.1 59.2 42.4",
    ),
    ("IEMask", "Table 3", "1: baseline"): (
        "iemask_rcnn/baseline",
        "35.27 56.45 37.72 16.83 38.18 50.00",
    ),
    ("IEMask", "Table 5", "X101 IEMask R-CNN"): (
        "iemask_rcnn/x101",
        "41.4 63.9 45.0 24.9 43.8 53.3 33.3 52.2 54.5 35.9 57.6 69.6",
    ),
    ("IEMask", "Table 6", "IEMask R-CNN"): (
        "iemask_rcnn/cityscapes_r50",
        "36.7 62.3 36.5 67.7 30.5 69.4 55.9 79.7 31.6 43.0 57.9 73.0 34.1 57.9 21.9 "
        "48.4 25.4 58.8",
    ),
    ("IEMask", "Table 7", "R101 IEMask R-CNN"): (
        "iemask_rcnn/lvis_r101",
        "27.18 40.78 29.05 16.87 36.31 46.59 18.76 25.78 32.46",
    ),
    ("IEMask", "Table 8", "Cascade Mask R-CNN"): (
        "iemask_rcnn/cascade_r50",
        "35.90 112.5 355.3",
    ),
}


@pytest.mark.parametrize("key", PUBLISHED, ids="-".join)
def test_published_figures_of(key):
    of_paper, table, name = key
    recipe, figures = PUBLISHED[key]
    rows = [
        row
        for row in ROWS
        if row["paper"].startswith(of_paper)
        and (row["table"], row["row"]) == (table, name)
    ]
    assert len(rows) == 1
    assert rows[0]["recipe"] == recipe
    assert list(rows[0]["metrics"].values()) == [float(v) for v in figures.split()]


@pytest.mark.parametrize(
    ("table", "kind", "baseline", "biased"),
    [
        ("Table 5", "box", "38.3 59.8 41.6 21.8", "38.6 60.0 41.8 21.7 42.1 51.3"),
        ("Table 6", "mask", "35.1 56.6 37.5 18.4", "35.4 56.7 37.8 18.2 38.5 48.8"),
    ],
)
def test_table_5_of_maskplus_is_of_boxes_and_table_6_of_masks(
    table, kind, baseline, biased
):
    rows = [row for row in tables_as_data("MaskPlus") if row["table"] == table]
    assert [row["recipe"] for row in rows] == [
        "mask_rcnn/tensorpack_r50",
        "maskplus/biased",
    ]
    for row, figures in zip(rows, (baseline, biased)):
        assert {name.split("/")[0] for name in row["metrics"]} == {kind}
        values = list(row["metrics"].values())
        expected = [float(v) for v in figures.split()]
        assert values[: len(expected)] == expected


def test_counts_of_rows():
    rows = Counter(row["paper"] for row in ROWS)
    other = Counter(row["paper"] for row in ROWS if row["recipe"] is None)
    print(
        f"{len(recipe_names())} recipes, {len(ROWS)} rows, {sum(other.values())} other"
    )
    assert {name: (rows[name], other[name]) for name in rows} == COUNTS


def test_the_recipe_of_every_row_exists():
    recipes = {row["recipe"] for row in ROWS} - {None}
    assert recipes <= set(recipe_names())


def test_every_recipe_of_a_paper_stands_in_a_table_or_is_known_to_have_no_row():
    assert set(recipes_without_rows()) == WITHOUT_FIGURES


def test_no_row_stands_twice():
    # One model is published twice there: in the paper, and as its code trains it.
    keys = Counter((r["paper"], r["table"], r["data"], r["row"]) for r in ROWS)
    assert set(keys.values()) == {1}


def test_figures_are_those_of_what_they_are_called():
    for row in ROWS:
        assert row["metrics"], row
        for name, value in row["metrics"].items():
            if name.startswith(("mask/", "box/")):
                assert 1 < value < 100, (row, name)
            else:
                assert name in ("params_m", "gflops", "ms") and value > 0
        metrics = row["metrics"]
        for kind in ("mask", "box"):
            if f"{kind}/AP50" in metrics and f"{kind}/AP75" in metrics:
                ordered = [metrics[f"{kind}/{ap}"] for ap in ("AP75", "AP", "AP50")]
                # AP is the mean over thresholds of which 0.5 is the easiest.
                assert ordered[1] < ordered[2] and ordered[0] < ordered[2], row


def test_data_of_a_row_is_that_of_its_recipe():
    for row in ROWS:
        classes = {"LVIS": 1203, "City": 8}.get(row["data"][:4], 0)
        if row["recipe"]:
            assert load_config(row["recipe"]).model.num_classes == classes, row


# --- what is counted here -------------------------------------------------------------

# IEMask R-CNN, Table 8: the mean size of the images and number of their detections that
# agree with the published costs best. A cost is linear in either.
MEAN_WIDTH, MEAN_ROIS = 1197, 26.8
COUNTED = [row for row in tables_as_data("IEMask") if row["counted"]]


@pytest.mark.slow
@pytest.mark.parametrize("row", COUNTED, ids=lambda row: row["recipe"])
def test_counted_parameters_and_costs(row):
    settings = load_config(row["recipe"]).model
    settings.num_classes = 80
    model = build_model(settings)
    assert f"{count_parameters(model) / 1e6:.2f}" == f"{row['counted']['params_m']:.2f}"

    def cost(width, rois):
        return model_macs(model, 800, width, rois=rois).total / 1e9

    narrow, wide = cost(1184, 26), cost(1216, 26)
    roi = cost(1184, 27) - narrow
    mean = narrow + (wide - narrow) * (MEAN_WIDTH - 1184) / 32
    mean += roi * (MEAN_ROIS - 26)
    assert f"{mean:.1f}" == f"{row['counted']['gflops']:.1f}"


def test_counted_beside_published():
    lines = format_tables("iemask").splitlines()
    head = next(line for line in lines if "params_m counted" in line)
    row = next(line for line in lines if "140.66" in line)
    cells = dict(zip(*([c.strip() for c in x.split("|")] for x in (head, row))))
    assert cells["params_m"] == "140.0" and cells["params_m counted"] == "140.66"
    assert cells["gflops"] == "340.0" and cells["gflops counted"] == "340.7"


def test_measured_stands_beside_published():
    text = format_tables("maskplus", {"maskplus/biased": {"mask/AP": 35.512}})
    blocks = [block for block in text.split("\n\n") if "maskplus/biased" in block]
    # Table 5 is of boxes, which were not measured.
    assert [("measured" in block) for block in blocks] == [False, True]
    base, biased = blocks[1].splitlines()[2:]
    assert base.split("|")[-2].strip() == "-"
    assert biased.split("|")[-2].strip() == "35.51"


# --- the page -------------------------------------------------------------------------


def test_page_is_what_the_command_prints():
    # After a change of recipes or tables: tfmask tables > docs/recipes.md
    assert PAGE.read_text(encoding="utf-8") == format_tables() + "\n"


def test_other_methods_are_not_part_of_tfmask():
    lines = format_tables("maskplus").splitlines()
    row = next(line for line in lines if "Hybrid Task Cascade" in line)
    assert row.split("|")[1].strip() == OTHER == "not part of tfmask"


@pytest.mark.parametrize("name", ["bmask", "BMask R-CNN", "bmask_rcnn"])
def test_paper_by_any_spelling(name):
    assert [one.name for one in papers(name)] == ["BMask R-CNN (ECCV 2020)"]


def test_unknown_paper_names_the_known():
    with pytest.raises(ConfigError, match=r"cascade: no such paper.*MaskPlus"):
        papers("cascade")


def test_columns_are_aligned_and_have_the_decimals_of_the_paper():
    lines = format_tables("iemask").splitlines()
    row = next(line for line in lines if line.startswith("| iemask_rcnn/wo_aff "))
    assert row.split("|")[3].strip() == "37.80"
    blocks = format_tables().split("\n\n")
    tables = [block.splitlines() for block in blocks if block.startswith("| recipe")]
    assert len(tables) > 30
    for table in tables:
        assert len({len(line) for line in table}) == 1
        bars = {tuple(i for i, c in enumerate(line) if c == "|") for line in table}
        assert len(bars) == 1


# --- the format of the data -----------------------------------------------------------

TEXT = """
== Table 1 | COCO val2017 | mask/AP mask/AP50
demo/shapes | ours   | 35.10 56.6
-           | theirs | -     50.0
> A note that
> goes on.

== Table 2 | COCO val2017 | box/AP
demo/shapes | ours | 38
"""


def test_tables_from_text():
    first, second = paper("P", TEXT).tables
    assert (first.name, first.data, first.note) == (
        "Table 1",
        "COCO val2017",
        "A note that goes on.",
    )
    assert [row.recipe for row in first.rows] == ["demo/shapes", None]
    assert first.rows[0].figures == {"mask/AP": "35.10", "mask/AP50": "56.6"}
    assert first.rows[1].metrics == {"mask/AP50": 50.0}
    assert second.rows[0].metrics == {"box/AP": 38.0}


def test_counted_figures_from_text():
    text = "== T | D | mask/AP gflops | gflops\ndemo/shapes | ours | 35 1.5 | 1.52"
    (table,) = paper("P", text).tables
    assert table.counted == ("gflops",)
    assert table.rows[0].figures == {"mask/AP": "35", "gflops": "1.5"}
    assert table.rows[0].counted == {"gflops": "1.52"}
    with pytest.raises(ValueError, match="expected 4 fields"):
        paper("P", text.removesuffix("| 1.52"))


@pytest.mark.parametrize("line", ["demo/shapes | ours", "demo/shapes | ours | 1 2 3"])
def test_a_line_that_does_not_fit_its_table_is_refused(line):
    with pytest.raises(ValueError):
        paper("P", f"== Table 1 | COCO | mask/AP mask/AP50\n{line}")
