"""`frod-bench audit params`: the trainable parameters of every row of the paper's tables, counted five ways."""

import csv
from dataclasses import asdict, fields
from io import StringIO
from pathlib import Path

from tabulate import tabulate

from frod_bench.audit.params import Accounting, account, unexplained
from frod_bench.cli.paths import paper_dir
from frod_bench.errors import RequestError

_HEADERS = {
    "table": "table",
    "row": "row",
    "backbone": "backbone",
    "settings": "settings",
    "paper_pct": "paper %",
    "adapter": "adapter",
    "head": "head",
    "pct_backbone": "% of backbone",
    "pct_with_adapter": "% of backbone + adapter",
    "pct_head": "with head, % of backbone",
    "pct_head_with_adapter": "with head, % of all",
    "pct_goat": "% of GOAT's formula",
    "note": "note",
}
_LEGEND = """\
Closed forms over the shapes of the backbones; no weight is read. The head is a classifier's: 196 classes (Cars) for
CLIP, 2 for the others. GOAT's formula (its App. H) is the denominator of the rows that the paper cites from it."""


def main(to: Path | None) -> int:
    """Print the table; write it as well into the folder `to`. Raises RequestError when it cannot be written."""
    rows = account(paper_dir() / "params.csv")
    print(f"{_LEGEND}\n\n{_table(rows, 'simple')}\n\n{_summary(rows)}")
    if to is not None:
        _write(rows, to)
    return 0


def _table(rows: list[Accounting], style: str) -> str:
    """Return the rows as text; the long notes stand in the files only."""
    leave_out = {"note"} if style == "simple" else set()
    names = [field.name for field in fields(Accounting) if field.name not in leave_out]
    body = [[_cell(name, getattr(row, name)) for name in names] for row in rows]
    align = ["right" if name not in ("table", "row", "backbone", "settings", "note") else "left" for name in names]
    return tabulate(body, [_HEADERS[name] for name in names], tablefmt=style, disable_numparse=True, colalign=align)


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if name in ("adapter", "head"):
        return f"{value:,}"
    digits = 2 if name == "paper_pct" else 3
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _summary(rows: list[Accounting]) -> str:
    odd = unexplained(rows)
    printed = sum(row.paper_pct is not None for row in rows)
    lines = [f"{printed - len(odd)} of {printed} printed percentages agree with one of the countings. The others:"]
    return "\n".join(lines + [f"  {row.table} {row.row} {row.paper_pct:.2f}: {row.note}" for row in odd])


def _write(rows: list[Accounting], folder: Path) -> None:
    text = StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Accounting)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(row).items()} for row in rows)
    files = {"params.csv": text.getvalue(), "params.md": f"{_LEGEND}\n\n{_table(rows, 'github')}\n"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise RequestError(
            f"The table cannot be written to {folder} ({error.strerror}). Give another folder to --to."
        ) from error
    print("\nwritten: " + ", ".join(str(folder / name) for name in files))
