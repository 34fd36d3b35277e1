"""Whether a data set can be used at all, beside the list of its problems."""

import pytest

from tfmask.data.validate import validate_dataset


def test_a_sound_set_can_be_used(content, write_set):
    assert validate_dataset(write_set(content)) == ([], "")


def test_faults_of_some_records_leave_the_set_usable(content, write_set):
    content["annotations"][0]["segmentation"] = None
    problems, unusable = validate_dataset(write_set(content))
    assert len(problems) == 1 and unusable == ""


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda c: c.pop("images"), "nothing of it can be used"),
        (lambda c: c.update(categories=[]), "nothing of it can be used"),
        (lambda c: [r.update(iscrowd=1) for r in c["annotations"]], "iscrowd=1"),
        (lambda c: c.update(annotations=[]), "no annotations"),
        (lambda c: [i.update(file_name="x") for i in c["images"]], "no image"),
    ],
)
def test_a_set_that_cannot_be_trained_on_says_why(spoil, said, content, write_set):
    spoil(content)
    assert said in validate_dataset(write_set(content)).unusable
