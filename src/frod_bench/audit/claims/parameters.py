"""How much trains: the printed percentages, what the abstract makes of them, and Table 1's formula."""

from itertools import chain, combinations
from statistics import fmean

from frod_bench.audit.architectures import PAPER_BACKBONES
from frod_bench.audit.claim import Claim, Finding, verdict
from frod_bench.audit.evidence import Evidence
from frod_bench.audit.params import ParameterCount, count_parameters, matches_printed, unexplained

_TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
_BASES = (768, 768, 768, 768, 768, 3072)  # input widths of the categories of CLIP ViT-B/32
_DENSITY, _RANK = 0.02, 8
# every kind of linear layer of a block, so that every subset of them can be tried
_KINDS = {
    "clip_vit_b32": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
    "roberta_large": ("query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"),
    "llama2_7b": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
}
_CLASSES = {"clip_vit_b32": (10, 43, 45, 47, 196, 397), "roberta_large": (2, 3), "llama2_7b": (2, 3, 4)}


def _frod(evidence: Evidence) -> list[ParameterCount]:
    return [row for row in count_parameters(evidence.paper / "params.csv") if row.row.startswith("FRoD(")]


def _at_two_percent(evidence: Evidence) -> list[ParameterCount]:
    return [row for row in _frod(evidence) if row.row == "FRoD(s=0.02)"]


def _percentages(evidence: Evidence) -> Finding:
    rows = count_parameters(evidence.paper / "params.csv")
    printed = [row for row in rows if row.paper_pct is not None]
    odd, ours = unexplained(rows), _frod(evidence)
    wrong = [row for row in ours if row in odd]
    choices = {(row.table, row.row): _choices(row) for row in wrong}
    never = [row for row in wrong if not choices[row.table, row.row]]
    found = [f"{row.paper_pct} of {row.table} by {choices[row.table, row.row][0]}" for row in wrong if row not in never]
    return Finding(
        verdict(not wrong),
        f"On the released target modules, counted five ways (adapter over the backbone; over backbone and adapter; both"
        f" with the head; over GOAT's formula), {len(ours) - len(wrong)} of the {len(ours)} percentages of FRoD are"
        f" found, and {len(printed) - len(odd)} of all {len(printed)}. With any other choice among the kinds of linear"
        f" layers of a block, and a head of any dataset or none, {len(never)} are still not found"
        + (f" (found: {'; '.join(found)})" if found else "")
        + ". `frod-bench audit params` has every row.",
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
        tuple((row.table, row.row, row.paper_pct, row.adapter, *row.shares) for row in ours),
    )


def _choices(row: ParameterCount) -> list[str]:
    """Return the choices of target modules, head and way of counting that reproduce a printed percentage of FRoD."""
    from frod_bench.methods import make_method  # imports torch

    architecture = PAPER_BACKBONES[row.backbone]
    total = architecture.parameters()
    frod = make_method("frod", sparsity=float(row.settings.partition("=")[2]))
    sizes = {}
    for kind in _KINDS[row.backbone]:
        shapes = [(m, n) for m, n, _ in architecture.layers([kind])]
        sizes[kind] = frod.trainable_parameters(shapes)
    if row.backbone == "roberta_large":
        sizes["output.dense"] -= sizes["attention.output.dense"]  # the shorter name is the end of the longer one
    found = []
    for kinds in chain.from_iterable(combinations(sizes, count + 1) for count in range(len(sizes))):
        adapter = sum(sizes[kind] for kind in kinds)
        for head in (0, *map(architecture.head, _CLASSES[row.backbone])):
            trained = adapter + head
            over = {"the backbone": total + head, "all": total + trained, "GOAT's formula": architecture.goat_total}
            found += [
                f"{' '.join(kinds)} {'with' if head else 'without'} head over {name}"
                for name, whole in over.items()
                if matches_printed(row.paper_pct, 100 * trained / whole)
            ]
    return found


def _abstract(evidence: Evidence) -> Finding:
    rows = _at_two_percent(evidence)
    printed, counted = fmean(row.printed_pct for row in rows), fmean(row.pct_backbone for row in rows)
    lowest = min(fmean(shares) for shares in zip(*(row.shares for row in rows), strict=True))
    return Finding(
        verdict(lowest <= 1.72),
        f"1.72 is the mean of the three printed percentages at s = 0.02 ({printed:.2f}), and falls with them (claim"
        f" `params`): the counts of the released target modules give {counted:.2f} over the backbone, and {lowest:.2f}"
        " under the accounting giving least.",
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
        f" {row.paper_pct} % would be {100 / row.printed_pct:.0f} times (claim `params`).",
    )


def _formula(evidence: Evidence) -> Finding:
    from frod_bench.methods import make_method

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
        f"For CLIP ViT-B/32 the formula gives {ours[0]:,.0f} at s = {_DENSITY}; {ours[1]:,} parameters train. As a"
        f" count of what is held in memory, which is the section's subject, the formula makes sense: it also has the"
        f" frozen U and V ({frozen:,} values) and two optimizer states for each value of S. Table 1 has the plain"
        " counts.",
        ("method", "formula", "trainable parameters"),
        tuple((name, round(stated), counted) for name, (stated, counted) in formulas.items()),
    )


CLAIMS = (
    Claim(
        "params",
        "1.29; 2.49; 0.18; 2.49",
        "FRoD trains these percentages of CLIP (s = 0.01 and 0.02), LLaMA2-7B and RoBERTa-large (s = 0.02).",
        'paper, Tables 2-4, "# Params (%)"',
        _percentages,
    ),
    Claim(
        "params-mean",
        "using only 1.72% of trainable parameters",
        "On the released target modules FRoD at s = 0.02 trains 1.72 %, on average over the three backbones.",
        "paper, abstract",
        _abstract,
    ),
    Claim(
        "params-500",
        "maintaining a 500× parameter reduction",
        "On the released target modules of LLaMA2-7B FRoD at s = 0.02 trains at most one parameter in 500.",
        'paper, "Main Results"',
        _five_hundred,
    ),
    Claim(
        "trainable-formula",
        "the total number of trainable parameters is",
        "FRoD trains L(mn + 3sn² + n) + n² parameters, and LoRA L(mn + 3mr + 3nr).",
        'paper, "Memory Usage of Projection Matrices"',
        _formula,
    ),
)
