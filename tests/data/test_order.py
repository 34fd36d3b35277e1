import numpy as np
import pytest

from tfmask.data.order import (
    epoch_order,
    random_numbers,
    repeat_factors,
    repeated_images,
)


def stream(count, batch_size, epochs, group, seed=0):
    rng = np.random.default_rng(3)
    aspects = rng.choice([0.66, 0.75, 1.0, 1.33, 1.5], count)
    orders = [epoch_order(e, seed, aspects, batch_size, group) for e in range(epochs)]
    return aspects, orders


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize(
    "count, batch_size", [(1, 1), (3, 8), (13, 4), (64, 16), (7, 7)]
)
def test_every_epoch_holds_every_image_once(count, batch_size, group):
    _, orders = stream(count, batch_size, 5, group)
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(count))


@pytest.mark.parametrize("group", [False, True])
def test_order_depends_on_seed_and_epoch_alone(group):
    _, first = stream(100, 4, 3, group)
    _, again = stream(100, 4, 3, group)
    np.testing.assert_array_equal(first, again)
    _, other = stream(100, 4, 3, group, seed=1)
    assert (np.array(first) != np.array(other)).any(1).all()
    assert (first[0] != first[1]).any()


def test_grouped_batches_hold_like_shapes_wherever_an_epoch_starts():
    aspects, orders = stream(1003, 8, 4, True)
    batches = np.concatenate(orders)[: 4 * 1003 // 8 * 8].reshape(-1, 8)
    spread = aspects[batches].max(1) - aspects[batches].min(1)
    _, plain = stream(1003, 8, 4, False)
    mixed = np.concatenate(plain)[: 4 * 1003 // 8 * 8].reshape(-1, 8)
    assert np.mean(spread > 0.1) < 0.1  # at the seams of groups and epochs
    assert np.mean(aspects[mixed].max(1) - aspects[mixed].min(1) > 0.1) > 0.9


def test_grouped_batches_do_not_come_sorted():
    aspects, orders = stream(800, 8, 1, True)
    means = aspects[orders[0].reshape(-1, 8)].mean(1)
    rises = np.diff(means) > 0
    assert 0.2 < rises.mean() < 0.8


def test_batches_are_composed_anew_every_epoch():
    _, orders = stream(512, 8, 2, True)
    first, second = ({frozenset(b) for b in o.reshape(-1, 8).tolist()} for o in orders)
    assert len(first & second) < 8


def test_random_numbers_differ_by_purpose_and_index_and_take_any_seed():
    draws = [
        random_numbers(seed, purpose, index, 1)[0]
        for seed in (-1, 0, 1, 2**70)
        for purpose in (0, 1)
        for index in (0, 1, 2**40)
    ]
    # 2**70 is cut to 64 bits, where it is 0.
    assert len(set(draws)) == 18 and all(0 <= d < 1 for d in draws)


# --- repeated images ------------------------------------------------------------------

# Of 1000 images all hold class 1, 40 class 2, ten of these class 3, and two nothing.
LABELS = [
    np.array([1, 1, 2, 3][: 4 if i < 10 else 3 if i < 40 else 2], np.int32)
    for i in range(998)
] + [np.zeros(0, np.int32)] * 2


def test_repeat_factors_are_those_of_the_formula():
    factors = repeat_factors(LABELS, 0.09)
    by_hand = np.r_[[3.0] * 10, [1.5] * 30, [1.0] * 960]  # sqrt(0.09 / 0.01), ...
    np.testing.assert_allclose(factors, by_hand, rtol=1e-12)
    assert factors.sum() == pytest.approx(1035)


def test_factors_are_scaled_to_a_whole_number_of_images():
    factors = repeat_factors(LABELS, 0.05)
    rare, common = np.sqrt(5), np.sqrt(1.25)
    total = 10 * rare + 30 * common + 960
    assert factors.sum() == pytest.approx(round(total), abs=1e-9)
    np.testing.assert_allclose(
        factors[[0, 20, 500]] * total / round(total), [rare, common, 1.0], rtol=1e-12
    )


def test_a_threshold_below_every_class_repeats_nothing():
    np.testing.assert_array_equal(repeat_factors(LABELS, 0.009), np.ones(1000))
    drawn = repeated_images(3, 0, repeat_factors(LABELS, 0.009))
    np.testing.assert_array_equal(np.sort(drawn), np.arange(1000))


def test_images_come_as_often_as_their_factors_say():
    factors = repeat_factors(LABELS, 0.05)
    epochs = [repeated_images(e, 7, factors) for e in range(400)]
    assert {len(drawn) for drawn in epochs} == {round(factors.sum())}
    counts = np.array([np.bincount(d, minlength=1000) for d in epochs])
    assert (np.floor(factors) <= counts).all() and (counts <= np.ceil(factors)).all()
    # Standard deviation of a mean over 400 epochs: at most 0.025.
    np.testing.assert_allclose(counts.mean(0), factors, atol=0.1)
    assert counts.mean(0)[:10].mean() == pytest.approx(factors[0], abs=0.02)


def test_repeats_depend_on_seed_and_epoch_alone():
    factors = repeat_factors(LABELS, 0.05)
    first = [repeated_images(e, 1, factors) for e in (0, 1)]
    np.testing.assert_array_equal(first[1], repeated_images(1, 1, factors))
    assert (np.sort(first[0]) != np.sort(first[1])).any()
    assert (np.sort(first[0]) != np.sort(repeated_images(0, 2, factors))).any()
