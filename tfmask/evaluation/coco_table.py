"""COCO's figures as text."""


def figure_order(max_dets: tuple[int, ...]) -> list[str]:
    """Names of the figures of boxes, masks or boundaries, in the order of COCO."""
    recalls = [f"AR{n}" for n in max_dets] + ["ARs", "ARm", "ARl"]
    return ["AP", "AP50", "AP75", "APs", "APm", "APl", *recalls]


def cell(value) -> str:
    """A figure, `-` where it is not defined."""
    return "-" if value is None or value < 0 else f"{value:.3f}"


def columns(rows: list[list[str]]) -> list[str]:
    """Rows of cells as lines: the first column to the left, the rest to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]


def format_table(metrics, per_class: bool = True) -> str:
    """The figures as text: a line for boxes, masks, boundaries; by IoU; by class.

    Args:
      metrics: `figures.Figures`.
      per_class: also a line for each class.
    """
    kinds = [k for k in ("box", "mask", "boundary") if f"{k}/AP" in metrics]
    names = figure_order(metrics.max_dets)
    rows = [["", *names]]
    for kind in kinds:
        rows.append([kind, *(cell(metrics[f"{kind}/{name}"]) for name in names)])
    lines = columns(rows)
    if "mask/AP_crowded" in metrics:
        lines.append(
            f"mask AP of crowded instances: {cell(metrics['mask/AP_crowded'])} "
            f"(AP50 {cell(metrics['mask/AP50_crowded'])})"
        )
    if metrics.per_iou:
        thresholds = next(iter(metrics.per_iou.values()))
        rows = [["AP at IoU", *thresholds]]
        rows += [[k, *map(cell, v.values())] for k, v in metrics.per_iou.items()]
        lines += ["", *columns(rows)]
    if per_class and len(metrics.per_class) > 0 and kinds:
        rows = [["class", "instances"]]
        rows[0] += [f"{kind} {name}" for kind in kinds for name in ("AP", "AP50")]
        for row in metrics.per_class:
            cells = [row["name"], str(row["instances"])]
            cells += [
                cell(row[f"{k}/{name}"]) for k in kinds for name in ("AP", "AP50")
            ]
            rows.append(cells)
        lines += ["", *columns(rows)]
    return "\n".join([*lines, *metrics.notes])
