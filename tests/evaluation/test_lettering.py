"""Names in any script: drawn by a font that has them, or so that they differ."""

import numpy as np
import pytest

from tfmask.evaluation import lettering, visualize

CHINESE = "苹果", "香蕉"


@pytest.fixture
def fonts(monkeypatch):
    """Sets the fonts that the machine is said to have."""

    def choose(*files: str) -> None:
        lettering._font_file.cache_clear()
        monkeypatch.setattr(lettering, "_font_files", lambda: files)

    yield choose
    lettering._font_file.cache_clear()


def drawn(text: str, scale=0.6) -> np.ndarray:
    """[H, W] bool: where black letters change a white canvas."""
    canvas = np.full((60, 500, 3), 255, np.uint8)
    lettering.write(canvas, text, (10, 40), scale, (0, 0, 0))
    return (canvas != 255).any(-1)


def test_letters_stay_inside_what_was_measured():
    for text in ("person 0.99", "grün (ß)", "Ж", "\u82f9"):
        width, height, depth = lettering.measure(text, 0.6)
        marks = drawn(text)
        assert marks.any()
        marks[40 - height - 1 : 40 + depth + 1, 9 : 10 + width + 1] = False
        assert not marks.any(), text


def test_accents_are_left_out_where_no_font_has_them(fonts):
    fonts()
    np.testing.assert_array_equal(drawn("für é"), drawn("fur e"))
    np.testing.assert_array_equal(drawn("u\u0308ber"), drawn("uber"))
    np.testing.assert_array_equal(drawn("ß"), drawn("\\xdf"))


def test_names_without_a_font_are_written_as_escapes_that_differ(fonts):
    fonts()
    one, other = (drawn(text, 0.4) for text in CHINESE)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(one, drawn("\\u82f9\\u679c", 0.4))


def test_a_damaged_font_is_passed_over(fonts, tmp_path):
    (tmp_path / "bad.ttf").write_bytes(b"no font")
    fonts(str(tmp_path / "bad.ttf"), str(tmp_path / "gone.ttf"))
    np.testing.assert_array_equal(drawn(CHINESE[0]), drawn("\\u82f9\\u679c"))


def test_the_first_font_that_has_all_letters_is_taken():
    for text in ("Ж", "Ωπ", "ж ü"):
        source = lettering._font_file("".join(sorted(set(text) - set(" ü"))))
        if source:  # the machine has one
            font = lettering._font(source, 20)
            missing = bytes(font.getmask("\uffff"))
            assert all(bytes(font.getmask(v)) != missing for v in text.strip())


def test_class_names_in_pictures_differ(fonts):
    fonts()
    image = np.zeros((300, 900, 3), np.uint8)
    pictures = [
        visualize.draw_instances(
            image, [[50, 100, 200, 200]], [1], [0.9], None, (name,)
        )
        for name in (*CHINESE, "??")
    ]
    for i in range(3):
        assert not np.array_equal(pictures[i], pictures[i - 1])


def test_text_at_the_edge_is_cut_off():
    for text in ("abc", "äbc"):
        canvas = np.full((20, 30, 3), 255, np.uint8)
        lettering.write(canvas, text, (-5, 18), 0.6, (0, 0, 0))
        lettering.write(canvas, text, (100, 100), 0.6, (0, 0, 0))
        assert canvas.shape == (20, 30, 3)
