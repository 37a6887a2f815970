"""Escaping of stored text: a name in a record is shown as text, never as a command, a link or a formula.

One function per medium. report/table.py and jinja2 escape HTML, tabulate escapes LaTeX, both after `visible`.
"""

import re
from typing import Any

# What a terminal obeys, and what turns the direction or order of the words beside it: C0, DEL and C1 but for line feed
# and tab, line and paragraph separator, the marks, embeddings, overrides and isolates of direction, half a character.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
# Markup anywhere, at the beginning, and what GitHub makes a link or a mention of by itself.
_MARKDOWN = re.compile(
    r"[\\|\[\]`*~$@]|<(?=[A-Za-z/!?])|&(?=[#A-Za-z0-9]+;)|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])"
    r"|^[#>]|^[-+](?=\s|$)|(?<=[a-zA-Z]):(?=//)|(?<=[wW]{3})\."
)
_FORMULA = re.compile(r"^\s*[=+\-@＝＋－＠]")


def visible(text: str) -> str:
    """Return the text with what no reader can see written out, as `\\u001b`, the form that JSON reads as well."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """Return the text on one line, as a cell or a warning has it."""
    return visible(" ".join(text.splitlines()).replace("\t", " "))


def markdown(text: str) -> str:
    """Return the text for a paragraph or a cell of GitHub's Markdown."""
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", one_line(text).strip())


def plot_text(text: str) -> str:
    """Return the text for matplotlib, to which dollars are mathematics and a label that begins with _ is hidden."""
    lines = [one_line(line).replace("$", r"\$") for line in text.split("\n")]
    return "\n".join(f" {line}" if line.startswith("_") else line for line in lines)


def csv_cell(value: Any) -> Any:
    """Return a value for a CSV: numbers as they are, and before a text that a spreadsheet would compute a quote."""
    if not isinstance(value, str) or _is_number(value):
        return value
    text = one_line(value)
    return f"'{text}" if _FORMULA.match(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
