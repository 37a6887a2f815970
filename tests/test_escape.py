"""Hostile text in every field of a record, in every form that a report has."""

import ast
import csv
import io
import json
import re
from pathlib import Path

import pytest

import frod_bench
from frod_bench.console import say, show
from frod_bench.escape import csv_cell, markdown, one_line, plot_text, visible
from frod_bench.report.table import Column, Table, to_latex

OSC52 = "\x1b]52;c;cm0gLXJmIH4=\x07"
HOSTILE = [
    OSC52, "\x9b31m", "\x1b[2J", "a\rb", "x\u202eexe", "\u2066y", "a\nb", "a\u2028b", "\ud800", "=1+1",
    "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", " =1", "[a](http://e.org)", "![a](b)", "<img src=x>", "# head",
    "- item", "`code`", "*b*",
    "https://e.org", "www.e.org", "a|b", "@someone", "$x$", "_hidden", r"\input{/etc/passwd}",
    "a & b % c # d _ e ^ f ~ {g}",
    "&lt;", "> quote", "</script><script>alert(1)</script>",
]  # fmt: skip
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_unseen_is_left_in_any_medium(text):
    for escaped in (visible(text), one_line(text), markdown(text), plot_text(text), csv_cell(text)):
        assert not UNSEEN.search(escaped)
    for escaped in (one_line(text), markdown(text), csv_cell(text)):
        assert "\n" not in escaped and "\t" not in escaped


def test_ordinary_names_stay_as_they_are():
    for text in (
        "full_ft",
        "glue/rte",
        "frod, sparsity=0.02",
        "62.00 ± 1.41",
        "-0.53",
        "—",
        "naïve 世界",
        "p < 0.0001",
    ):
        assert visible(text) == one_line(text) == markdown(text) == csv_cell(text) == plot_text(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_of_a_csv_is_a_formula(text):
    stream = io.StringIO()
    csv.writer(stream).writerow(map(csv_cell, [text, text]))
    for cell in next(csv.reader(io.StringIO(stream.getvalue()))):
        assert cell.lstrip()[:1] not in tuple("=+-@")


def test_numbers_in_a_csv_stay_numbers():
    values = ["-1.5", "+2", "1e-5", -3, 0.5, None, "", "-inf"]
    assert list(map(csv_cell, values)) == values


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_has_no_markup(text):
    escaped = markdown(text)
    assert not re.search(r"(?<!\\)(?:\\\\)*[\[\]`|*$~@]", escaped)
    assert not re.search(r"(?<!\\)<[A-Za-z/!?]", escaped)
    assert not re.match(r"[#>]|[-+](\s|$)", escaped)
    assert not re.search(r"[a-z]://|www\.", escaped)


@pytest.mark.parametrize("text", HOSTILE)
def test_latex_has_no_command(text):
    table = to_latex(Table([Column("a"), Column(text)], [["row", text]]))
    cells = [line.partition("&")[2] for line in table.splitlines() if " & " in line]
    commands = {"textbackslash", "textasciitilde", "ensuremath"}
    for cell in cells:
        assert set(re.findall(r"\\([A-Za-z]+)", cell)) <= commands
        assert not re.search(r"(?<!\\)[%$#_~]", cell)


@pytest.mark.parametrize("text", HOSTILE)
def test_the_terminal_gets_no_command(text, capsys):
    say(f"frod-bench: {text}")
    show(text)
    shown = capsys.readouterr().out
    assert not UNSEEN.search(shown)


def test_json_that_is_printed_stays_json(capsys):
    show(json.dumps({"a": "\x9b\u202e"}, ensure_ascii=False))
    assert json.loads(capsys.readouterr().out) == {"a": "\x9b\u202e"}


def test_everything_is_printed_in_one_place():
    package = Path(frod_bench.__file__).parent
    found = {
        file.name
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert found == {"console.py"}
