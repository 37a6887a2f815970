"""The style of all figures: readable in print and without colour vision."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any
from zlib import crc32

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from frod_bench.escape import plot_text
from frod_bench.files import replacing, save_text
from frod_bench.report.table import Table, to_csv
from frod_bench.report.variants import method_in

# The first six are of Okabe and Ito, "Color Universal Design" (2008), without black and the yellow that vanishes on
# paper; the others, mostly of Paul Tol's "muted" scheme, need the marker beside them to be told apart.
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    *("#332288", "#882255", "#999933", "#4A5568", "#AA4499", "#8C564B", "#4B7A1E"),
)
# Lists of 13, 7 and 5: a look repeats only after 455 places.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
# each has a colour of its own in every figure and page; other names take one that is left
_METHODS = (
    *("frod", "full_ft", "lora", "dora", "vera", "pissa"),
    *("milora", "goat", "randlora", "qlora", "fura", "qfura", "lori"),
)
GREY = "#c3c9d2"  # of what is drawn for context only
_ENTRY = 1.5  # inches of an entry of a legend


def looks(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the colour, line and marker of every name; a method has its colour in every figure."""
    return {name: _look(place) for name, place in places(names).items()}


def looks_in_order(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the looks of names that are not methods."""
    return {name: _look(place) for place, name in enumerate(names)}


def places(names: Iterable[str]) -> dict[str, int]:
    """Return the place of every name in the order of looks.

    Variants of a method, such as "frod, side=short", have its colour, with markers and lines of their own. A method
    that is not ours has the colour that its name hashes to, or the next one that no other name here has.
    """
    variants: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        variants[method_in(name)].append(name)
    colours = {method: _METHODS.index(method) for method in variants if method in _METHODS}
    for method in variants:
        if method not in colours:
            first = crc32(method.encode())
            turn = [(first + step) % len(COLOURS) for step in range(len(COLOURS))]
            colours[method] = next((place for place in turn if place not in colours.values()), turn[0])
    return {
        name: colours[method] + len(COLOURS) * number
        for method, own in variants.items()
        for number, name in enumerate(own)
    }


def polish(axes: Axes) -> None:
    """Draw a faint grid, and no frame on the right and at the top."""
    axes.grid(color="0.9", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def legend(figure: Figure, names: list[str], title: str | None = None) -> None:
    """Put one legend for all panels above the figure, in the order of the names, and a title above it."""
    names = [plot_text(name) for name in names]
    named: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    figure.legend(
        [named[name] for name in names],
        names,
        loc="outside upper center",
        ncols=min(len(names), max(4, int(figure.get_figwidth() // _ENTRY))),
        title=None if title is None else plot_text(title),
        title_fontsize=9,
        frameon=False,
        handlelength=3.2,
    )


def panels(wanted: int) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many panels, at most three beside each other."""
    across = min(wanted, 3)
    down = -(-wanted // across)
    figure = Figure(figsize=(max(3.1 * across, 5.6), 2.7 * down + 0.9), layout="constrained")
    every = list(figure.subplots(down, across, squeeze=False).flat)
    for axes in every[wanted:]:
        axes.remove()
    return figure, every[:wanted]


def line_with_band(axes: Axes, values: Mapping[float, list[float]], name: str, style: dict[str, Any]) -> None:
    """Draw the means of the values at every x as a line, with a band from the lowest to the highest."""
    x = sorted(values)
    axes.plot(x, [fmean(values[each]) for each in x], label=plot_text(name), **style)
    if any(len(values[each]) > 1 for each in x):
        low, high = ([edge(values[each]) for each in x] for edge in (min, max))
        axes.fill_between(x, low, high, color=style["color"], alpha=0.18, linewidth=0)


def log_axis(axes: Axes, ticks: Iterable[float] | None = None) -> None:
    """Make the x axis logarithmic, with plain numbers at it: at `ticks`, or at powers of ten."""
    axes.set_xscale("log")
    if ticks is not None:
        axes.set_xticks(list(ticks))
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=8)


def seeds_in_words(counts: Iterable[int]) -> str:
    """Return "1 seed", "5 seeds" or "3 to 5 seeds"."""
    counts = list(counts)
    low, high = min(counts), max(counts)
    return f"{low} seed{'' if low == 1 else 's'}" if low == high else f"{low} to {high} seeds"


def save(figure: Figure, folder: Path, name: str, data: Table | None = None) -> list[Path]:
    """Write the figure as PNG and SVG, without a date, and its data as CSV into the folder; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.png", folder / f"{name}.svg"]
    if (engine := figure.get_layout_engine()) is not None:  # once, and not for each file
        engine.execute(figure)
        figure.set_layout_engine("none")
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
