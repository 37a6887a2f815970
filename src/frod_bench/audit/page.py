"""Render the audit as text, as Markdown and as JSON."""

import json
from collections import Counter
from collections.abc import Sequence
from textwrap import fill
from typing import Any

from tabulate import tabulate

from frod_bench.audit.claim import VERDICTS, CheckedClaim

_WIDTH = 110
_PLURALS = ("hold", "do not hold", "are not decided here", "cannot be checked here")
_INTRODUCTION = """\
Statements of FRoD (Wan et al., AAAI 2026, arXiv 2512.23485) and of its released code, each quoted, with what exactly
is checked, what was measured, and the verdict. Each verdict is computed by the command beside it, from the paper's
printed numbers (`results/paper`), from packaged weights, from our runs (`results/runs`, `results/study`) and benchmarks
(`results/bench`), or from clones of the released code.

How to read it:

- A statement about the printed tables is checked against the printed tables. They were read from a text conversion of
  the PDF, so a misread digit is possible. The appendices were not available.
- A statement about how the numbers were made is checked against the released scripts. Whether those were the scripts
  that ran, the release does not say.
- A measured difference decides only if its 95 % interval does. Our runs are of small backbones on a part of the rows;
  they never decide what the paper says of CLIP, RoBERTa-large and LLaMA2-7B.
- Which method is better at our scale is judged on the same evaluation rows and seeds, from runs with equally tuned
  rates and stored predictions, and the smallest difference that they show stands beside. Other runs do not decide it.
- "Not decided here" says what it would take. "Cannot be checked here" says what is missing on this machine.
- What nobody states, but a reader of the tables or of the code takes for granted, is listed apart and not counted.
- "Does not hold" refers to one sentence of the paper. To see whether FRoD trains well, read the tables."""
_CODE = """\
`--code DIR` names a folder with clones of the released code, `DIR/AAAI2026-FRoD` and `DIR/GOAT-PEFT`; files and lines
are those of the commit in brackets. `--run-code` also runs two files of the first."""
_STATED, _IMPLIED = "Stated", "Implied, not stated"


def counts(judged: Sequence[CheckedClaim]) -> str:
    """Return the number of claims by verdict, in words."""
    found = Counter(j.finding.verdict for j in judged)
    return ", ".join(f"{found[word]} {plural}" for word, plural in zip(VERDICTS, _PLURALS, strict=True))


def totals(judged: Sequence[CheckedClaim]) -> str:
    """Return a line of counts for the stated claims and one for the implied ones."""
    return "\n".join(f"{title}: {counts(group)}." for title, group in _groups(judged))


def _groups(judged: Sequence[CheckedClaim]) -> list[tuple[str, list[CheckedClaim]]]:
    groups = [(_STATED, [j for j in judged if not j.claim.implied]), (_IMPLIED, [j for j in judged if j.claim.implied])]
    return [(title, group) for title, group in groups if group]


def to_text(judged: CheckedClaim) -> str:
    """Return a claim and its finding for the terminal."""
    claim, finding = judged.claim, judged.finding
    lines = [f"{finding.verdict.upper()}  {claim.name}"]
    lines += [_indented(f"{_label(judged)}: ", _quoted(judged)), _indented("Checked: ", claim.checks)]
    lines += [_indented("Measured: ", finding.measured)]
    if finding.would_take:
        lines += [_indented("It would take: ", finding.would_take)]
    if judged.to_do:
        lines += [_indented("To check it: ", judged.to_do)]
    return "\n".join(lines) + "\n"


def _label(judged: CheckedClaim) -> str:
    return _IMPLIED if judged.claim.implied else _STATED


def _quoted(judged: CheckedClaim) -> str:
    claim = judged.claim
    return f"By {claim.source}." if claim.implied else f'"{claim.quote}" ({claim.source})'


def details_text(judged: CheckedClaim) -> str:
    """Return the rows behind a finding for the terminal."""
    return f"\n{_table(judged, 'simple')}\n" if judged.finding.rows else ""


def to_markdown(sections: dict[str, list[CheckedClaim]]) -> str:
    """Return the page: a summary with links, then every claim with its measurement and rows."""
    everything = [j for section in sections.values() for j in section]
    parts = ["# Audit of the paper and its released code", _INTRODUCTION, _CODE]
    for title, group in _groups(everything):
        summary = [(f"[{j.claim.name}](#{j.claim.name})", j.claim.checks, j.finding.verdict) for j in group]
        parts += [f"**{title}**: {counts(group)}."]
        parts += [tabulate(_escaped(summary), ("claim", "what is checked", "verdict"), "github", disable_numparse=True)]
    for title, section in sections.items():
        parts += [f"## {title}", *map(_section, section)]
    return "\n\n".join(parts) + "\n"


def to_json(sections: dict[str, list[CheckedClaim]], environment: dict[str, Any]) -> str:
    """Return the page as JSON: the environment and a list of claims."""
    claims = [{"section": title} | _fields(j) for title, section in sections.items() for j in section]
    return json.dumps({"environment": environment, "claims": claims}, indent=2, ensure_ascii=False) + "\n"


def _section(judged: CheckedClaim) -> str:
    claim, finding = judged.claim, judged.finding
    parts = [
        f"### {claim.name}",
        f"**{_label(judged)}.** {_quoted(judged)}",
        f"**Checked.** {claim.checks}",
        f"**Measured.** {finding.measured}",
        f"**Verdict: {finding.verdict}.** `{claim.command}`",
    ]
    if finding.would_take:
        parts.append(f"**It would take.** {finding.would_take}")
    if judged.to_do:
        parts.append(f"To check it: `{judged.to_do}`")
    if finding.rows:
        parts.append(
            f"<details><summary>{len(finding.rows)} rows</summary>\n\n{_table(judged, 'github')}\n\n</details>"
        )
    return "\n\n".join(parts)


def _table(judged: CheckedClaim, style: str) -> str:
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


def _fields(judged: CheckedClaim) -> dict[str, Any]:
    claim, finding = judged.claim, judged.finding
    return {
        "name": claim.name,
        "quote": claim.quote or None,
        "checks": claim.checks,
        "source": claim.source,
        "verdict": finding.verdict,
        "measured": finding.measured,
        "would_take": finding.would_take or None,
        "command": claim.command,
        "to_do": judged.to_do or None,
        "headers": finding.headers,
        "rows": [[float(f"{v:.6g}") if isinstance(v, float) else v for v in row] for row in finding.rows],
    }


def _escaped(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[cell.replace("|", "\\|") for cell in row] for row in rows]


def _indented(label: str, text: str) -> str:
    return fill(label + text, _WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
