import pytest

from tfmask.config import DataConfig
from tfmask.data.canvas import canvases, padded_to

COCO = DataConfig(short_side=(640, 672, 704, 736, 768, 800), max_side=1333)


def test_tight_has_no_sizes_of_its_own():
    assert canvases(COCO, "tight") == ()
    assert padded_to((640, 960), ()) == (640, 960)


def test_buckets_are_few_and_hold_every_image():
    sizes = canvases(COCO, "buckets")
    assert len(sizes) <= 24
    assert all(side % 32 == 0 for size in sizes for side in size)
    for short in range(32, 801, 32):
        for long in range(max(short, 640), 1345, 32):
            for size in ((short, long), (long, short)):
                canvas = padded_to(size, sizes)
                assert canvas in sizes
                assert canvas[0] >= size[0] and canvas[1] >= size[1]
                if short >= 640:
                    # Not much more arithmetic than the image itself.
                    assert canvas[0] * canvas[1] < 1.7 * short * long


def test_the_smallest_that_fits_is_taken():
    sizes = canvases(COCO, "buckets")
    fits = [s for s in sizes if s[0] >= 704 and s[1] >= 960]
    assert padded_to((704, 960), sizes) == min(fits, key=lambda s: s[0] * s[1])


def test_fixed_has_one_size_for_wide_and_one_for_high_images():
    assert canvases(COCO, "fixed") == ((800, 1344), (1344, 800), (1344, 1344))
    square = DataConfig(short_side=(512,), max_side=512)
    assert canvases(square, "fixed") == canvases(square, "buckets") == ((512, 512),)


def test_the_multiple_of_the_padding_is_kept():
    config = DataConfig(short_side=(800,), max_side=1344, pad_multiple=64)
    assert canvases(config, "fixed")[0] == (832, 1344)
    assert all(a % 64 == b % 64 == 0 for a, b in canvases(config, "buckets"))


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match="'loose'"):
        canvases(COCO, "loose")
