"""The confusion matrix of a report."""

import numpy as np

from tfmask.report.markup import Markup, element, joined, table
from tfmask.report.pictures import Judged

_MOST = 20  # classes of a matrix that can still be read


def confusion(runs: list[Judged]) -> Markup:
    """A matrix for each run: true classes in rows, found ones in columns."""
    names = list(runs[0].metrics.truth.category_names)
    tables = [run.mistakes.confusion for run in runs]
    chosen, left_out = _chosen(np.sum(tables, axis=0))
    parts: list = []
    if left_out:
        parts.append(
            element(
                "p",
                f"The {len(chosen)} classes that are confused most; {left_out} others "
                "are left out.",
            )
        )
    for run, matrix in zip(runs, tables):
        caption = run.name if len(runs) > 1 else ""
        parts.append(_matrix(matrix, chosen, names, caption))
    return joined(parts)


def _chosen(matrix: np.ndarray) -> tuple[list[int], int]:
    """The classes that are shown, in their order, and how many are not."""
    classes = len(matrix) - 1
    if classes <= _MOST:
        return list(range(classes)), 0
    inner = matrix[:-1, :-1]
    wrong = inner.sum(0) + inner.sum(1) - 2 * inner.diagonal()
    order = np.argsort(-wrong, kind="stable")[:_MOST]
    return sorted(order.tolist()), classes - _MOST


def _matrix(matrix: np.ndarray, chosen: list[int], names: list[str], caption: str):
    columns = [*chosen, len(matrix) - 1]
    head = ["true class", *(names[k] for k in chosen), "not found"]
    rows = []
    for k in columns:
        is_last = k == columns[-1]
        total = max(int(matrix[k].sum()), 1)
        cells: list[Markup | str] = ["nothing there" if is_last else names[k]]
        for column in columns:
            value = int(matrix[k, column])
            if is_last and column == k:
                cells.append("")
                continue
            share = round(100 * value / total)
            right = not is_last and column == k
            cells.append(
                element(
                    "td",
                    value,
                    style=f"--share: {share}%",
                    class_="right" if right else "wrong",
                )
            )
        rows.append(cells)
    return table(head, rows, caption, class_="confusion")
