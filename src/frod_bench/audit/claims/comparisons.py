"""What the text says of Tables 2 to 4, worked out from the tables."""

from collections.abc import Sequence
from statistics import fmean

from frod_bench.audit import printed
from frod_bench.audit.claim import Claim, Finding, verdict
from frod_bench.audit.evidence import Evidence

_EQUAL = 0.5  # points of mean accuracy within which FRoD is taken to match full fine-tuning
_HEADERS = ("column", "FRoD(s=0.02)", "other", "difference")


def _differences(evidence: Evidence, table: str, other: str) -> tuple[tuple[str, float, float, float], ...]:
    ours, theirs = printed.frod(evidence, table).cells, printed.row(evidence, table, other).cells
    return tuple((column, ours[column], theirs[column], round(ours[column] - theirs[column], 2)) for column in ours)


def _listed(differences: Sequence[tuple[str, float, float, float]]) -> str:
    return ", ".join(f"{column} {difference:+.2f}" for column, _, _, difference in differences)


def _matches_full_fine_tuning(evidence: Evidence) -> Finding:
    every = [(table, *d) for table in printed.ACCURACY_TABLES for d in _differences(evidence, table, "Full FT")]
    means = {table: fmean(d[4] for d in every if d[0] == table) for table in printed.ACCURACY_TABLES}
    overall, ahead = fmean(d[4] for d in every), sum(d[4] >= 0 for d in every)
    return Finding(
        verdict(len(every) == 20 and abs(overall) <= _EQUAL),
        f"Over the {len(every)} tasks FRoD is {overall:+.2f} points from full fine-tuning on average (by suite:"
        f" {', '.join(f'{means[t]:+.2f}' for t in means)}) and at or above it on {ahead}. The rule here: a mean"
        f" difference within {_EQUAL} points is a match.",
        ("table", *_HEADERS),
        tuple((f"Table {t[-1]}", *rest) for t, *rest in every),
    )


def _best_average(evidence: Evidence) -> Finding:
    rows = sorted(printed.rows(evidence, "table2"), key=lambda r: -fmean(r.cells.values()))
    best, second = rows[:2]
    return Finding(
        verdict(best.method == "FRoD(s=0.02)"),
        f"The highest mean of Table 2 is that of {best.method}, {fmean(best.cells.values()):.2f}; next is"
        f" {second.method}, {fmean(second.cells.values()):.2f}.",
        ("row", "mean of the cells"),
        tuple((r.method, fmean(r.cells.values())) for r in rows),
    )


def _margin(evidence: Evidence) -> Finding:
    differences = _differences(evidence, "table2", "Full FT")
    margin = fmean(d[3] for d in differences)
    return Finding(
        verdict(round(margin, 1) == 0.4),
        f"The means of Table 2 differ by {margin:.2f}.",
        _HEADERS,
        differences,
    )


def _goat_ahead(evidence: Evidence) -> Finding:
    differences = _differences(evidence, "table2", "GOAT")
    behind = [d for d in differences if d[3] < 0]
    return Finding(
        verdict(len(behind) == 2),
        f"In Table 2 GOAT is above FRoD(s=0.02) on {len(behind)} of {len(differences)} datasets ({_listed(behind)}).",
        _HEADERS,
        differences,
    )


def _decisive_gains(evidence: Evidence) -> Finding:
    named = [d for d in _differences(evidence, "table3", "Full FT") if d[0] in ("BoolQ", "PIQA", "SIQA", "HellaSwag")]
    return Finding(
        verdict(all(d[3] > 0 for d in named)),
        f"In Table 3 FRoD is below full fine-tuning on {sum(d[3] < 0 for d in named)} of the four: {_listed(named)}.",
        _HEADERS,
        tuple(named),
    )


def _five_of_glue(evidence: Evidence) -> Finding:
    differences = _differences(evidence, "table4", "Full FT")
    below = [d for d in differences if d[3] < 0]
    return Finding(
        verdict(len(differences) - len(below) == 5 and [d[0] for d in below] == ["RTE"]),
        f"In Table 4 FRoD is at or above full fine-tuning on {len(differences) - len(below)} of {len(differences)}"
        f" tasks and below it on {_listed(below)}.",
        _HEADERS,
        differences,
    )


_RESULTS = 'paper, "Main Results"'
CLAIMS = (
    Claim(
        "matches-full-ft",
        "On 20 benchmarks FRoD matches full fine-tuning in accuracy.",
        "paper, abstract",
        _matches_full_fine_tuning,
    ),
    Claim("best-average", "FRoD has the best average accuracy over the seven image datasets.", _RESULTS, _best_average),
    Claim("margin", "On images FRoD is 0.4 points of accuracy above full fine-tuning.", _RESULTS, _margin),
    Claim("goat-ahead", "GOAT is above FRoD on two image datasets.", _RESULTS, _goat_ahead),
    Claim(
        "decisive-gains",
        "FRoD gains decisively over full fine-tuning on BoolQ, PIQA, SIQA and HellaSwag.",
        _RESULTS,
        _decisive_gains,
    ),
    Claim(
        "five-of-glue",
        "FRoD matches or surpasses full fine-tuning on five GLUE tasks; the single shortfall is RTE.",
        _RESULTS,
        _five_of_glue,
    ),
)
