"""How much trains: the printed percentages, what the abstract makes of them, and Table 1's formula."""

from statistics import fmean

from frod_bench.audit.architectures import PAPER_BACKBONES
from frod_bench.audit.claim import Claim, Finding, verdict
from frod_bench.audit.evidence import Evidence
from frod_bench.audit.params import Accounting, account, unexplained
from frod_bench.methods import make_method

_TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
_BASES = (768, 768, 768, 768, 768, 3072)  # input widths of the categories of CLIP ViT-B/32
_DENSITY, _RANK = 0.02, 8


def _frod(evidence: Evidence) -> list[Accounting]:
    return [row for row in account(evidence.paper / "params.csv") if row.row.startswith("FRoD(")]


def _at_two_percent(evidence: Evidence) -> list[Accounting]:
    return [row for row in _frod(evidence) if row.row == "FRoD(s=0.02)"]


def _shares(row: Accounting) -> tuple[float, ...]:
    return row.pct_backbone, row.pct_with_adapter, row.pct_head, row.pct_head_with_adapter, row.pct_goat


def _percentages(evidence: Evidence) -> Finding:
    rows = account(evidence.paper / "params.csv")
    printed = [row for row in rows if row.paper_pct is not None]
    odd, ours = unexplained(rows), _frod(evidence)
    wrong = sum(row in odd for row in ours)
    return Finding(
        verdict(not wrong),
        f"Counted five ways (adapter over the backbone; over backbone and adapter; both with the head; over GOAT's"
        f" formula), {len(ours) - wrong} of the {len(ours)} percentages of FRoD are found, and"
        f" {len(printed) - len(odd)} of all {len(printed)}. `frod-bench audit params` has every row.",
        (
            "table",
            "row",
            "printed %",
            "adapter",
            "over backbone",
            "with adapter",
            "with head",
            "both",
            "GOAT's formula",
        ),
        tuple((row.table, row.row, row.paper_pct, row.adapter, *_shares(row)) for row in ours),
    )


def _abstract(evidence: Evidence) -> Finding:
    rows = _at_two_percent(evidence)
    printed, counted = fmean(row.paper_pct for row in rows), fmean(row.pct_backbone for row in rows)
    lowest = min(fmean(shares) for shares in zip(*map(_shares, rows), strict=True))
    return Finding(
        verdict(lowest <= 1.72),
        f"1.72 is the mean of the three printed percentages at s = 0.02 ({printed:.2f}). The counts of the released"
        f" target modules give {counted:.2f} over the backbone, and {lowest:.2f} under the accounting giving least.",
        ("table", "printed %", "% of backbone"),
        tuple((row.table, row.paper_pct, row.pct_backbone) for row in rows),
    )


def _five_hundred(evidence: Evidence) -> Finding:
    row = next(row for row in _at_two_percent(evidence) if row.table == "Table 3")
    total = PAPER_BACKBONES[row.backbone].parameters()
    return Finding(
        verdict(total / row.adapter >= 500),
        f"LLaMA2-7B without its language-model head has {total:,} parameters; FRoD at s = {_DENSITY} on the released"
        f" targets trains {row.adapter:,}, which is {total / row.adapter:.0f} times fewer. The printed"
        f" {row.paper_pct} % would be {100 / row.paper_pct:.0f} times.",
    )


def _formula(evidence: Evidence) -> Finding:
    layers = [(m, n) for m, n, _ in PAPER_BACKBONES["clip_vit_b32"].layers(_TARGETS)]
    bases = sum(n * n for n in _BASES)
    frozen = sum(m * n for m, n in layers) + bases
    formulas = {
        "FRoD": (
            sum(m * n + 3 * _DENSITY * n * n + n for m, n in layers) + bases,
            make_method("frod", sparsity=_DENSITY).trainable_parameters(layers),
        ),
        "LoRA": (
            sum(m * n + 3 * _RANK * (m + n) for m, n in layers),
            make_method("lora", rank=_RANK).trainable_parameters(layers),
        ),
    }
    ours = formulas["FRoD"]
    return Finding(
        verdict(all(round(stated) == counted for stated, counted in formulas.values())),
        f"For CLIP ViT-B/32 the formula gives {ours[0]:,.0f} at s = {_DENSITY}; {ours[1]:,} parameters train. The"
        f" formula also counts the frozen U and V ({frozen:,} values) and two optimizer states for each value of S.",
        ("method", "formula", "trainable parameters"),
        tuple((name, round(stated), counted) for name, (stated, counted) in formulas.items()),
    )


CLAIMS = (
    Claim(
        "params",
        "FRoD trains 1.29 % (s = 0.01) and 2.49 % (s = 0.02) of CLIP, 0.18 % of LLaMA2-7B and 2.49 % of RoBERTa-large.",
        "paper, Tables 2-4",
        _percentages,
    ),
    Claim("params-mean", "FRoD uses 1.72 % of the trainable parameters.", "paper, abstract", _abstract),
    Claim(
        "params-500",
        "On commonsense reasoning FRoD has 500 times fewer parameters than full fine-tuning.",
        'paper, "Main Results"',
        _five_hundred,
    ),
    Claim(
        "trainable-formula",
        "The total number of trainable parameters is L(mn + 3sn² + n) + n² for FRoD and L(mn + 3mr + 3nr) for LoRA.",
        'paper, "Memory Usage of Projection Matrices"',
        _formula,
    ),
)
