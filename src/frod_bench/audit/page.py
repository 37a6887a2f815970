"""The audit as text, as Markdown and as JSON."""

import json
from collections import Counter
from collections.abc import Sequence
from textwrap import fill
from typing import Any

from tabulate import tabulate

from frod_bench.audit.claim import VERDICTS, Judged

_WIDTH = 110
_PLURALS = ("hold", "do not hold", "cannot be checked here")
_INTRODUCTION = """\
Every checkable statement of FRoD (Wan et al., AAAI 2026, arXiv 2512.23485) and of its released code: what is stated,
what was measured, and the verdict. Each verdict is computed by the command beside it, from the paper's printed
numbers (`results/paper`), from packaged weights, from our runs (`results/runs`, `results/bench`) or from clones of the
released code; where a rule had to be chosen it is stated. A statement that does not hold is not a judgement of the
method: whether FRoD trains well is a matter of the tables."""
_CODE = """\
`--code DIR` names a folder with clones of the released code, `DIR/AAAI2026-FRoD` and `DIR/GOAT-PEFT`; files and lines
are those of the commit in brackets."""


def counts(judged: Sequence[Judged]) -> str:
    """Return how many claims have which verdict."""
    found = Counter(j.finding.verdict for j in judged)
    return ", ".join(f"{found[word]} {plural}" for word, plural in zip(VERDICTS, _PLURALS, strict=True))


def to_text(judged: Judged) -> str:
    """Return one claim for the terminal."""
    claim, finding = judged.claim, judged.finding
    lines = [f"{finding.verdict.upper()}  {claim.name}", _indented("Stated: ", f"{claim.states} ({claim.source})")]
    lines += [_indented("Measured: ", finding.measured)]
    if judged.to_do:
        lines += [_indented("To check it: ", judged.to_do)]
    return "\n".join(lines) + "\n"


def details_text(judged: Judged) -> str:
    """Return the rows behind a finding for the terminal."""
    return f"\n{_table(judged, 'simple')}\n" if judged.finding.rows else ""


def to_markdown(sections: dict[str, list[Judged]]) -> str:
    """Return the page: a summary with links, then every claim with its measurement and rows."""
    everything = [j for section in sections.values() for j in section]
    parts = ["# Audit of the paper and its released code", _INTRODUCTION, _CODE, f"{counts(everything)}."]
    summary = [(f"[{j.claim.name}](#{j.claim.name})", j.claim.states, j.finding.verdict) for j in everything]
    parts += [tabulate(_escaped(summary), ("claim", "stated", "verdict"), tablefmt="github", disable_numparse=True)]
    for title, section in sections.items():
        parts += [f"## {title}", *map(_section, section)]
    return "\n\n".join(parts) + "\n"


def to_json(sections: dict[str, list[Judged]], environment: dict[str, Any]) -> str:
    """Return the page as data: the environment and a list of claims."""
    claims = [{"section": title} | _fields(j) for title, section in sections.items() for j in section]
    return json.dumps({"environment": environment, "claims": claims}, indent=2, ensure_ascii=False) + "\n"


def _section(judged: Judged) -> str:
    claim, finding = judged.claim, judged.finding
    parts = [
        f"### {claim.name}",
        f"**Stated.** {claim.states} *({claim.source})*",
        f"**Measured.** {finding.measured}",
        f"**Verdict: {finding.verdict}.** `{claim.command}`",
    ]
    if judged.to_do:
        parts.append(f"To check it: `{judged.to_do}`")
    if finding.rows:
        parts.append(
            f"<details><summary>{len(finding.rows)} rows</summary>\n\n{_table(judged, 'github')}\n\n</details>"
        )
    return "\n\n".join(parts)


def _table(judged: Judged, style: str) -> str:
    rows = [[_cell(value) for value in row] for row in judged.finding.rows]
    if style == "github":
        rows = _escaped(rows)
    numbers = [
        all(value is None or isinstance(value, int | float) for value in column)
        for column in zip(*judged.finding.rows, strict=True)
    ]
    align = ["right" if number else "left" for number in numbers]
    return tabulate(rows, judged.finding.headers, tablefmt=style, disable_numparse=True, colalign=align)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.2f}" if 1 <= abs(value) < 1e5 or value == 0 else f"{value:.3g}"


def _fields(judged: Judged) -> dict[str, Any]:
    claim, finding = judged.claim, judged.finding
    return {
        "name": claim.name,
        "states": claim.states,
        "source": claim.source,
        "verdict": finding.verdict,
        "measured": finding.measured,
        "command": claim.command,
        "to_do": judged.to_do or None,
        "headers": finding.headers,
        "rows": [[float(f"{v:.6g}") if isinstance(v, float) else v for v in row] for row in finding.rows],
    }


def _escaped(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[cell.replace("|", "\\|") for cell in row] for row in rows]


def _indented(label: str, text: str) -> str:
    return fill(label + text, _WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
