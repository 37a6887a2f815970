"""Which cells of Tables 2 to 4 are whole numbers of correct answers, and what that says about averaging."""

from math import prod

from frod_bench.audit import printed
from frod_bench.audit.claim import Claim, Finding, verdict
from frod_bench.audit.evidence import Evidence

_RUNS = 3
_OWN = ("Full FT", "FRoD(s=0.01)", "FRoD(s=0.02)")
_COARSE = 4000  # evaluation rows; above, nearly every printed value is a whole number of them
_WINDOW = 0.01  # neighbourhood of a cell over which its chance is computed, as a share of the evaluation rows
_UNLIKELY = 1e-3


def _check(evidence: Evidence) -> Finding:
    detail = tuple(
        (row.label, row.method, column, value, n, _count(value, n), _chance(value, n))
        for table in printed.ACCURACY_TABLES
        for row in printed.rows(evidence, table)
        if row.method in _OWN and not row.cited
        for column, value in row.cells.items()
        if (n := evidence.eval_rows(printed.task(table, column))) <= _COARSE
    )
    frod = [cell for cell in detail if cell[1] == "FRoD(s=0.02)"]
    whole = [cell for cell in frod if cell[5]]
    chance = prod(cell[6] for cell in frod)
    others = [cell for cell in detail if cell not in frod]
    cut = sum(cell[5] is None and _count_cut(cell[3], cell[4]) for cell in others)
    return Finding(
        verdict(len(whole) < len(frod) or chance > _UNLIKELY),
        f"{len(whole)} of the {len(frod)} cells of FRoD(s=0.02) on evaluation sets of at most {_COARSE:,} rows are k"
        " / N for a whole k, as one run gives; of full fine-tuning and FRoD(s=0.01)"
        f" {sum(c[5] is not None for c in others)} of {len(others)} are, and {cut} more if cut off instead of rounded."
        f" Were the cells means of {_RUNS} runs, the sum of right answers would be equally likely to leave a remainder"
        f" of 0, 1 or 2, and the chance that all {len(frod)} print like one run is {chance:.1e}. Three runs with"
        " equal numbers of right answers would print so as well."
        f" The rule here: a chance below {_UNLIKELY} is too low.",
        ("table", "row", "column", "printed", "N", "k", "chance under three runs"),
        detail,
    )


def _count(value: float, n: int) -> int | None:
    """Return the k for which 100 k / n prints as `value`, or None."""
    k = round(value * n / 100)
    return k if _prints(k, n) == f"{value:.2f}" else None


def _count_cut(value: float, n: int) -> bool:
    """Return whether some 100 k / n, truncated to two decimals, is `value`."""
    return any(int(10_000 * k / n) == round(100 * value) for k in range(n + 1))


def _chance(value: float, n: int) -> float:
    """Return the share of means of three runs near `value` that print like a single run."""
    single = {_prints(k, n) for k in range(n + 1)}
    middle, reach = round(value * n * _RUNS / 100), max(1, round(_WINDOW * n * _RUNS))
    near = range(max(0, middle - reach), min(n * _RUNS, middle + reach) + 1)
    return sum(_prints(k, n * _RUNS) in single for k in near) / len(near)


def _prints(k: int, n: int) -> str:
    return f"{100 * k / n:.2f}"


def _unreachable(evidence: Evidence) -> Finding:
    cells = [
        (row.label, row.method, column, value, n)
        for table in printed.ACCURACY_TABLES
        for row in printed.rows(evidence, table)
        if row.method in ("VeRA", "RandLoRA")
        for column, value in row.cells.items()
        if (n := evidence.eval_rows(printed.task(table, column))) <= _COARSE
    ]
    odd = tuple(cell for cell in cells if _count(*cell[3:]) is None)
    cut = [cell for cell in odd if _count_cut(*cell[3:])]
    impossible = [cell for cell in odd if cell not in cut and _count(cell[3], _RUNS * cell[4]) is None]
    return Finding(
        verdict(not impossible),
        f"{len(odd)} of {len(cells)} cells of VeRA and RandLoRA on evaluation sets of at most {_COARSE:,} rows are no"
        f" whole number of right answers: {len(cut)} of these would be if cut off instead of rounded, and"
        f" {len(impossible)} are neither that nor a mean of {_RUNS} runs.",
        ("table", "row", "column", "printed", "N", "neither one run, cut or rounded, nor three"),
        tuple((*cell, "x" if cell in impossible else "") for cell in odd),
    )


CLAIMS = (
    Claim(
        "three-runs",
        "All metrics are averaged over three independent training runs on each dataset.",
        "The cells of FRoD look like means of three runs and not like single ones.",
        'paper, "Main Results"',
        _check,
    ),
    Claim(
        "baseline-cells",
        "",
        "The cells of VeRA and RandLoRA are accuracies, of one run or of three, on the evaluation sets of FRoD's.",
        "Tables 2-4",
        _unreachable,
    ),
)
