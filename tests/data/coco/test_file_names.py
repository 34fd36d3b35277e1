"""Names that are plainly meant are followed; others are answered by what lies near."""

import unicodedata

import pytest

from tfmask.data.coco.file_names import ImageFiles, escapes, url_name

COMPOSED = unicodedata.normalize("NFC", "Äpfel/grün.png")
DECOMPOSED = unicodedata.normalize("NFD", "Äpfel/grün.png")


@pytest.fixture
def files(tmp_path):
    """Makes files in an image folder; returns its ImageFiles."""

    def make(*names: str) -> ImageFiles:
        folder = tmp_path / "data" / "images"
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return ImageFiles(str(folder))

    return make


@pytest.mark.parametrize(
    ("written", "there"),
    [
        ("images/a.png", "a.png"),  # the folder's name once more
        ("data/images/a.png", "a.png"),
        ("images\\a.png", "a.png"),
        ("sub\\a.png", "sub/a.png"),
        ("./sub//a.png", "sub/a.png"),
        ("my%20cat.png", "my cat.png"),
        ("images/my%20cat.png", "my cat.png"),
        ("100%.png", "100%.png"),
        ("A.PNG", "a.png"),
        ("Sub\\A.Png", "sub/a.png"),
        (COMPOSED, DECOMPOSED),
        (DECOMPOSED, COMPOSED),
        (DECOMPOSED.upper(), COMPOSED),
        ("IMAGES/a.png", "a.png"),
    ],
)
def test_a_name_that_is_plainly_meant_is_found(written, there, files):
    assert files(there, "other.png").find(written) == there


def test_of_several_files_the_one_with_the_strictest_agreement_is_taken(files):
    both = files("a.png", "A.png")
    assert both.find("images/A.png") == "A.png"
    assert both.find("images/a.png") == "a.png"
    assert both.find("images\\a.PNG") is None  # either could be meant


@pytest.mark.parametrize("written", ["sub/a.png", "a.jpg", "b.png", "images/sub/a.png"])
def test_another_folder_suffix_or_stem_is_no_agreement(written, files):
    assert files("a.png").find(written) is None


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("a.jpg", ["a.png"]),
        ("old/a.png", ["a.png"]),
        ("picture_0O1.png", ["picture_001.png"]),
        ("nothing-like-it.webp", []),
    ],
)
def test_what_lies_near_is_named(written, near, files):
    assert files("a.png", "picture_001.png").near(written) == near


def test_an_absolute_path_inside_the_folder_is_a_name_in_it(files, tmp_path):
    there = files("sub/a.png")
    assert there.relative(f"{there.folder}/sub/a.png") == "sub/a.png"
    assert there.relative(f"{there.folder}/sub/../sub/a.png") == "sub/a.png"
    assert there.relative(f"{there.folder}/../a.png") is None
    assert there.relative(f"{there.folder}2/a.png") is None
    assert there.relative("/etc/hosts") is None
    link = tmp_path / "link"
    link.symlink_to(there.folder)
    assert there.relative(f"{link}/sub/a.png") == "sub/a.png"


@pytest.mark.parametrize(
    "name", ["/a.png", "C:\\a.png", "\\\\host\\a.png", "../a.png", "b\\..\\..\\a.png"]
)
def test_names_that_lead_out_are_seen(name):
    assert escapes(name) and not escapes("a/b.png") and not escapes("a\\b..png")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (
            "http://images.cocodataset.org/val2017/000000397133.jpg",
            "val2017/000000397133.jpg",
        ),
        ("http://[broken", ""),
        (None, ""),
    ],
)
def test_the_address_of_lvis_has_a_name_in_it(url, name):
    assert url_name(url) == name


def test_an_empty_or_missing_folder_has_no_files(tmp_path):
    files = ImageFiles(str(tmp_path / "none"))
    assert files.find("a.png") is None and files.near("a.png") == []
