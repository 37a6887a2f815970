"""Figures 2 and 5: loss surfaces side by side, on one colour scale."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from frod_bench.escape import plot_text
from frod_bench.report.style import save
from frod_bench.report.table import Column, Table

Surface = Mapping[tuple[float, float], float]
_COLUMNS = 4  # at most
_LEVELS = 14
_SMALLEST = 1e-4  # smaller losses are drawn as this


def draw(surfaces: Mapping[str, Surface], title: str, folder: Path, name: str) -> list[Path]:
    """Draw the surfaces by panel title into the folder as PNG, SVG and CSV; return the files.

    All panels share the logarithmic levels, from the lowest to the highest finite loss. The cross marks the weights
    themselves. A panel is white where the loss is not finite.
    """
    values = {panel: _matrix(surface) for panel, surface in surfaces.items()}
    finite = np.concatenate([z[np.isfinite(z)] for *_, z in values.values()])
    low, high = max(finite.min(), _SMALLEST), max(finite.max(), _SMALLEST)
    levels = np.geomspace(low, high if high > low else 2 * low, _LEVELS)
    columns = min(_COLUMNS, math.ceil(math.sqrt(len(surfaces))))
    rows = math.ceil(len(surfaces) / columns)
    figure = Figure(figsize=(2.5 * columns + 0.9, 2.5 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in panels.flat[len(surfaces) :]:
        axes.set_visible(False)
    for axes, (panel, (x, y, z)) in zip(panels.flat, values.items(), strict=False):
        z = np.ma.masked_invalid(np.maximum(z, low))
        filled = axes.contourf(x, y, z, levels, norm=LogNorm(levels[0], levels[-1]), cmap="viridis", extend="neither")
        axes.contour(x, y, z, levels, colors="black", linewidths=0.35, alpha=0.6)
        axes.plot(0, 0, marker="+", color="white", markersize=8, markeredgewidth=1.6)
        axes.set_aspect("equal")
        axes.set_title(plot_text(_caption(panel, surfaces[panel])), fontsize=8, loc="left")
    bar = figure.colorbar(filled, ax=panels, label="mean loss over the same training rows", format="%.3g")
    bar.set_ticks(levels[::2].tolist())
    bar.minorticks_off()
    figure.supxlabel(
        f"steps along two random directions, in units of each filter's norm\n{plot_text(title)}", fontsize=7
    )
    points = [(panel, *point, loss) for panel, surface in surfaces.items() for point, loss in surface.items()]
    return save(figure, folder, name, Table([Column(name) for name in ("panel", "x", "y", "loss")], points))


def _matrix(surface: Surface) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x [k], y [k] and the loss [k, k], one row per y."""
    x = sorted({point[0] for point in surface})
    y = sorted({point[1] for point in surface})
    return np.asarray(x), np.asarray(y), np.asarray([[surface[a, b] for a in x] for b in y])


def _caption(panel: str, surface: Surface) -> str:
    middle = surface.get((0.0, 0.0))
    return panel if middle is None else f"{panel}: {middle:.3g} at +"
