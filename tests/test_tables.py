"""The published tables, and the page that is made of them."""

from pathlib import Path

import pytest

from tfmask.config import format_tables, table_rows
from tfmask.errors import ConfigError

PAGE = Path(__file__).parent.parent / "docs" / "recipes.md"


def test_page_is_what_the_command_prints():
    # After a change of recipes: tfmask tables > docs/recipes.md
    assert PAGE.read_text(encoding="utf-8") == format_tables() + "\n"


def test_rows_are_in_the_order_of_the_paper():
    rows = [row for row in table_rows("MaskPlus") if row.published.table == "Table 1"]
    assert [row.recipe for row in rows] == [
        "mask_rcnn/tensorpack_r50",
        "maskplus/cf_256x2",
        "maskplus/cf_256x3",
        "maskplus/cf_720",
    ]
    tables = list(dict.fromkeys(row.published.table for row in table_rows("bmask")))
    assert tables[:9] == [f"Table {n}" for n in range(1, 10)]
    assert tables[9:] == ["README", "Section 4.4"]


def test_every_row_of_a_table_has_a_place_of_its_own():
    places = {}
    for row in table_rows():
        published = row.published
        key = published.paper, published.table, published.line, published.data
        assert published.line > 0
        assert key not in places, (row.recipe, places[key])
        places[key] = row.recipe


@pytest.mark.parametrize("name", ["bmask", "BMask R-CNN", "bmask_rcnn"])
def test_paper_by_any_spelling(name):
    assert {r.published.paper for r in table_rows(name)} == {"BMask R-CNN (ECCV 2020)"}


def test_unknown_paper_names_the_known():
    with pytest.raises(ConfigError, match=r"cascade: no such paper.*MaskPlus"):
        table_rows("cascade")


def test_columns_are_aligned_and_have_the_decimals_of_the_paper():
    lines = format_tables("iemask").splitlines()
    row = next(line for line in lines if line.startswith("| iemask_rcnn/wo_aff "))
    assert row.split("|")[4].strip() == "37.80"
    blocks = format_tables().split("\n\n")
    tables = [block.splitlines() for block in blocks if block.startswith("| recipe")]
    assert len(tables) > 25
    for table in tables:
        assert len({len(line) for line in table}) == 1
        bars = {tuple(i for i, c in enumerate(line) if c == "|") for line in table}
        assert len(bars) == 1
