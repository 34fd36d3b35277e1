import pytest

from tfmask.layers.levels import level_numbers


def test_numbers_are_those_in_the_names():
    assert level_numbers(("c3", "c4", "c5"), consecutive=True) == [3, 4, 5]
    assert level_numbers(["p2", "p5"]) == [2, 5]
    assert level_numbers(("p10",)) == [10]


@pytest.mark.parametrize("names", [(), ("p",), ("pyramid",), ("p2", "2")])
def test_other_names_are_refused(names):
    with pytest.raises(ValueError, match="expected names such as 'p2'"):
        level_numbers(names)


@pytest.mark.parametrize("names", [("p2", "p4"), ("p3", "p2"), ("p2", "p2")])
def test_gaps_are_refused_where_levels_are_consecutive(names):
    with pytest.raises(ValueError, match="expected consecutive levels, fine to coarse"):
        level_numbers(names, consecutive=True)
