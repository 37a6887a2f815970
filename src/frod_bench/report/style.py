"""The style of all figures: readable in print and without colour vision."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from frod_bench.escape import plot_text
from frod_bench.files import replacing, save_text
from frod_bench.report.table import Table, to_csv

# Okabe and Ito, "Color Universal Design" (2008), without black and the yellow that vanishes on paper.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# Lists of 6, 7 and 5: a look repeats only after 210 names.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


def looks(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the colour, line and marker of every name."""
    return {name: _look(index) for index, name in enumerate(names)}


def polish(axes: Axes) -> None:
    """Draw a faint grid, and no frame on the right and at the top."""
    axes.grid(color="0.9", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def legend(figure: Figure, names: list[str]) -> None:
    """Put one legend for all panels above the figure, in the order of the names."""
    names = [plot_text(name) for name in names]
    named: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    figure.legend(
        [named[name] for name in names],
        names,
        loc="outside upper center",
        ncols=min(len(names), 4),
        frameon=False,
        handlelength=3.2,
    )


def save(figure: Figure, folder: Path, name: str, data: Table | None = None) -> list[Path]:
    """Write the figure as PNG and SVG, without a date, and its data as CSV into the folder; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.png", folder / f"{name}.svg"]
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):  # the same picture is the same file
        _save_picture(figure, files[0], dpi=200)
        _save_picture(figure, files[1], metadata={"Date": None})
    if data is not None:
        files.append(folder / f"{name}.csv")
        save_text(files[-1], to_csv(data))
    return files


def _save_picture(figure: Figure, file: Path, **options: Any) -> None:
    """Write the figure into the file, in the format that its suffix names."""
    with replacing(file) as partial:
        figure.savefig(partial, format=file.suffix[1:], **options)


def _look(index: int) -> dict[str, Any]:
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": _LINES[index % len(_LINES)],
        "linewidth": 1.5,
        "markersize": 4.5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.5,
    }
