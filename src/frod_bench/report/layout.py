"""Tables and paragraphs of stored text, laid out for a terminal, as Markdown or as LaTeX."""

from collections.abc import Iterable, Sequence
from typing import Literal

from tabulate import tabulate

from frod_bench.escape import markdown, one_line

Layout = Literal["simple", "github", "latex_booktabs"]


def lay_out(rows: Iterable[Sequence[str]], headers: Sequence[str], layout: Layout, numeric: Sequence[bool]) -> str:
    """Return the table of cells that are already text; the `numeric` columns are aligned right, the others left.

    On a terminal a heading may have several lines.
    """
    shown = [[words(cell, layout) for cell in row] for row in rows]
    if layout == "simple":
        headings = ["\n".join(map(one_line, heading.split("\n"))) for heading in headers]
    else:
        headings = [words(heading, layout) for heading in headers]
    aligned = ["right" if right else "left" for right in numeric]
    return tabulate(shown, headings, tablefmt=layout, disable_numparse=True, colalign=aligned)


def words(text: str, layout: Layout) -> str:
    """Return stored text as one line of the layout; tabulate does the rest for LaTeX."""
    return markdown(text) if layout == "github" else one_line(text)
