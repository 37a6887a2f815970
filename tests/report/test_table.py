"""The five forms of one table, and stored text in each of them."""

import csv
import io
from html.parser import HTMLParser

import pytest

from frod_bench.report.table import (
    Bullets,
    Column,
    Prose,
    Table,
    table_of_records,
    to_csv,
    to_html,
    to_latex,
    to_markdown,
    to_text,
)

HOSTILE = "=cmd|'/c calc'!A1 <img src=x> [a](b) \\x{}$ \x1b[31m"


@pytest.fixture
def table():
    columns = (Column("method", align="left"), Column("score", "{:.1%}".format), Column("peak", unit="MiB"))
    return Table(columns, [("frod", 0.6249999999999999, 12), ("full_ft", None, None)], "Scores", ("One seed.",), "t")


def test_a_terminal_has_title_aligned_columns_and_notes(table):
    assert to_text(table).splitlines() == [
        "Scores",
        "",
        "method      score     peak",
        "                     (MiB)",
        "--------  -------  -------",
        "frod        62.5%       12",
        "full_ft         —        —",
        "",
        "One seed.",
    ]


def test_markdown_has_the_same_with_a_heading_of_the_level(table):
    assert to_markdown(table, level=2).splitlines() == [
        "## Scores",
        "",
        "| method   |   score |   peak (MiB) |",
        "|----------|---------|--------------|",
        "| frod     |   62.5% |           12 |",
        "| full_ft  |       — |            — |",
        "",
        "One seed.",
    ]
    assert to_markdown(table).startswith("Scores\n\n| method")


def test_csv_has_the_values_to_twelve_digits_and_nothing_where_there_is_none(table):
    assert to_csv(table) == "method,score,peak\nfrod,0.625,12\nfull_ft,,\n"


def test_latex_is_a_tabular_below_its_comments(table):
    lines = to_latex(table).splitlines()
    assert lines[:3] == ["% Scores", "% One seed.", r"\begin{tabular}{lrr}"]
    assert r" full\_ft  &       --- &            --- \\" in lines


class Cells(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.values, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "td":
            self.values.append(dict(attributes)["data-value"])

    def handle_data(self, data):
        self.words += [data] if data.strip() else []


def test_html_shows_the_text_and_carries_the_value(table):
    found = Cells(to_html(table))
    assert found.values == ["frod", "0.6249999999999999", "12", "full_ft", "", ""]
    assert found.words[3:6] == ["frod", "62.5%", "12"]


def test_stored_text_is_only_text_in_every_form():
    table = Table((Column(HOSTILE),), [(HOSTILE,)], HOSTILE, (HOSTILE, Bullets("Remarks:", [HOSTILE])), HOSTILE)
    for form in (to_text, to_markdown, to_latex, to_csv, to_html):
        assert "\x1b" not in form(table)
    assert "<img" not in to_markdown(table).replace("\\<img", "")
    assert "|'/c" not in to_markdown(table).replace("\\|'/c", "")
    assert set(Cells(to_html(table)).tags) == {"table", "thead", "tbody", "tr", "th", "td", "button"}
    name, (value,) = csv.reader(io.StringIO(to_csv(table)))
    assert name[0].startswith("'=") and value.startswith("'=")
    assert r"\textbackslash{}x" in to_latex(table)


def test_markdown_of_our_own_stands_and_that_of_others_does_not():
    assert to_markdown(Table((), (), notes=(Prose("`a`"), "`b`"))) == "`a`\n\n\\`b\\`"
    assert to_markdown(Table((), (), notes=(Bullets("Two:", ["`a`", "b"]),))) == "Two:\n\n- \\`a\\`\n- b"


def test_long_notes_are_wrapped_and_kept_apart():
    notes = to_text(Table((), (), notes=("word " * 50, "short", Bullets("Many:", ["item " * 50]))))
    assert "\n\nshort\n\nMany:\n\n- item" in notes
    assert max(map(len, notes.splitlines())) <= 110
    assert notes.splitlines()[-1].startswith("  item")


def test_records_become_columns_in_order_with_numbers_on_the_right():
    table = table_of_records([{"name": "a", "train_rows": 3}, {"name": "b", "note": "x"}])
    assert [(column.name, column.align) for column in table.columns] == [
        ("name", "left"),
        ("train rows", "right"),
        ("note", "left"),
    ]
    assert table.texts() == [["a", "3", "—"], ["b", "—", "x"]]
