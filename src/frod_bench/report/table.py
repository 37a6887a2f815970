"""One table and its five forms: terminal, Markdown, CSV, LaTeX and HTML. The forms escape stored text, once."""

import csv
import html
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any, Literal, NamedTuple

from tabulate import tabulate

from frod_bench.escape import csv_cell, markdown, one_line, visible

ABSENT = "—"
Align = Literal["left", "right"]

_WIDTH = 110  # characters of a paragraph on a terminal
_TERMINAL = "simple"  # the form of a table on a terminal
_DIGITS = 12  # significant digits of a float in a CSV: the last bits of a mean differ between machines
_LATEX = {"±": r"$\pm$", "†": r"$^\dagger$", "Σ": r"$\Sigma$", "—": "---"}


class Prose(str):
    """A note written in this package, whose Markdown is meant; every other note is stored text and is escaped."""


class Bullets(NamedTuple):
    """A note with a list below its first line."""

    lead: str
    items: Sequence[str]


Note = str | Bullets


@dataclass(frozen=True)
class Column:
    """A column: its name, how a value becomes text, its alignment and its unit."""

    name: str  # a terminal shows its line breaks
    show: Callable[[Any], str] = str
    align: Align = "right"
    unit: str = ""
    width: int | None = None  # of a cell on a terminal, in characters; a longer text continues below

    @property
    def heading(self) -> str:
        """The name, and the unit in brackets on a line of its own."""
        return f"{self.name}\n({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class Table:
    """A table of raw values, one per column in every row; None is a value that was not measured.

    CSV has the values themselves, the other forms what their columns show of them.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    title: str = ""
    notes: Sequence[Note] = ()
    name: str = ""  # identifies the table in HTML and in the names of files
    absent: str = ABSENT  # the text of None

    def texts(self) -> list[list[str]]:
        """Return every row as text."""
        return [[self._text(*each) for each in zip(self.columns, row, strict=True)] for row in self.rows]

    def _text(self, column: Column, value: Any) -> str:
        return self.absent if value is None else column.show(value)


def table_of_records(
    records: Sequence[Mapping[str, Any]], show: Callable[[Any], str] = str, align: Align | None = None, **fields: Any
) -> Table:
    """Return a table with a column for each key, in order of appearance; `fields` are the table's other fields.

    Columns of numbers are aligned right, unless `align` says otherwise.
    """
    keys = dict.fromkeys(key for record in records for key in record)
    rows = [[record.get(key) for key in keys] for record in records]
    columns = [
        Column(key.replace("_", " "), show, align or _alignment(values))
        for key, values in zip(keys, zip(*rows, strict=True), strict=True)
    ]
    return Table(columns, rows, **fields)


def to_text(table: Table) -> str:
    """Return the table for a terminal, its title above it and its notes below."""
    notes = [_wrapped_note(note) for note in table.notes]
    between = "\n\n" if any("\n" in note for note in notes) else "\n"
    body = _laid_out(table, _TERMINAL, lambda text: "\n".join(map(one_line, text.split("\n"))), one_line)
    return _joined(one_line(table.title), body, between.join(notes))


def to_markdown(table: Table, level: int = 0) -> str:
    """Return the table as Markdown; its title is a heading of that level, or a paragraph with level 0."""
    title = markdown_heading(table.title, level) if table.title else ""
    notes = [_note(note, markdown) for note in table.notes]
    return _joined(title, _laid_out(table, "github", markdown, markdown), *notes)


def markdown_heading(text: str, level: int) -> str:
    """Return stored text as a Markdown heading of that level, or as a paragraph with level 0."""
    return f"{'#' * level} {markdown(text)}".lstrip()


def to_latex(table: Table) -> str:
    """Return the table as a tabular of booktabs, its title and notes as comments above it."""
    comments = [one_line(table.title), *(_note(note, one_line) for note in table.notes)]
    body = _laid_out(table, "latex_booktabs", one_line, one_line)
    for sign, command in _LATEX.items():
        body = body.replace(sign, command)
    return "\n".join([*(f"% {line}" for comment in comments for line in comment.splitlines()), body]) + "\n"


def to_csv(table: Table) -> str:
    """Return the table as CSV: names, then raw values; floats have 12 significant digits, None is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(csv_cell(column.name) for column in table.columns)
    writer.writerows([_csv_value(value) for value in row] for row in table.rows)
    return stream.getvalue()


def to_html(table: Table) -> str:
    """Return the table as an HTML element, without title and notes; every cell carries the value it sorts by."""
    classes = [' class="number"' if column.align == "right" else "" for column in table.columns]
    heads = [
        f'<th scope="col"{kind}><button type="button">{_html(column.heading)}</button></th>'
        for column, kind in zip(table.columns, classes, strict=True)
    ]
    lines = [f"<thead><tr>{''.join(heads)}</tr></thead>", "<tbody>"]
    for row, texts in zip(table.rows, table.texts(), strict=True):
        cells = zip(classes, row, texts, strict=True)
        tags = [f'<td{kind} data-value="{_html("" if v is None else v)}">{_html(text)}</td>' for kind, v, text in cells]
        lines.append(f"<tr>{''.join(tags)}</tr>")
    return "\n".join([f'<table class="sortable" data-table="{_html(table.name)}">', *lines, "</tbody>", "</table>"])


def percent(fraction: float) -> str:
    """Return a fraction in percent, to two decimals."""
    return f"{100 * fraction:.2f}"


def wrapped(text: str) -> str:
    """Return a paragraph for a terminal, broken between words; the further lines of a list's items are indented."""
    indent = "  " if text.startswith("- ") else ""
    return fill(text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def _joined(*blocks: str) -> str:
    return "\n\n".join(filter(None, blocks))


def _laid_out(table: Table, form: str, escape_heading: Callable[[str], str], escape: Callable[[str], str]) -> str:
    """Return the body of the table in a form of tabulate, or nothing for a table without columns."""
    if not table.columns:
        return ""

    def cell(column: Column, text: str) -> str:
        wraps = column.width is not None and form == _TERMINAL
        return fill(escape(text), column.width or _WIDTH, break_long_words=False) if wraps else escape(text)

    return tabulate(
        [[cell(*each) for each in zip(table.columns, texts, strict=True)] for texts in table.texts()],
        [escape_heading(column.heading) for column in table.columns],
        tablefmt=form,
        disable_numparse=True,
        colalign=[column.align for column in table.columns],
    )


def _note(note: Note, escape: Callable[[str], str]) -> str:
    if isinstance(note, Bullets):
        return "\n".join([f"{note.lead}\n", *(f"- {escape(item)}" for item in note.items)])
    return note if isinstance(note, Prose) else escape(note)


def _wrapped_note(note: Note) -> str:
    return "\n".join(wrapped(line) for line in _note(note, one_line).splitlines())


def _alignment(values: Iterable[Any]) -> Align:
    return "right" if all(value is None or isinstance(value, int | float) for value in values) else "left"


def _csv_value(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else csv_cell(value)


def _html(value: Any) -> str:
    return html.escape(visible(str(value)))
