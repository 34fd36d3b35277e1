"""Names of the levels of a pyramid: a letter, and the logarithm of the stride."""


def level_numbers(names: tuple[str, ...], consecutive: bool = False) -> list[int]:
    """The number in each name: 2 for `c2` and `p2`, whose stride is 2 to that power.

    Args:
      names: of levels, fine to coarse.
      consecutive: no level between the first and the last may be left out.

    Raises:
      ValueError: no names, names of another form, or of other levels than these.
    """
    if not names or not all(name[1:].isdecimal() for name in names):
        raise ValueError(
            f"levels={names}: expected names such as 'p2', a letter and the level"
        )
    numbers = [int(name[1:]) for name in names]
    if consecutive and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise ValueError(f"levels={names}: expected consecutive levels, fine to coarse")
    return numbers
