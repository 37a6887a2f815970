"""What our runs say of choosing the best epoch."""

from collections import defaultdict
from statistics import fmean

from frod_bench.audit import scripts
from frod_bench.audit.claim import READS_CODE, Claim, Finding, verdict
from frod_bench.audit.decide import decide, mean
from frod_bench.audit.evidence import Evidence, MissingEvidence, best_score, final_score

_ENOUGH_RUNS = 10
_NEGLIGIBLE = 0.1  # points of accuracy
_TABLE = "make table4 PROFILE=offline"


def _selection(evidence: Evidence) -> Finding:
    """Read the three scripts, and what the choice is worth in our runs."""
    release = evidence.release("AAAI2026-FRoD")
    sources = [release.source(path) for path in (scripts.VISION, scripts.GLUE, scripts.COMMONSENSE)]
    keeping = [source.at(node) for source in sources if (node := scripts.saves_best_epoch(source))]
    return Finding(
        verdict(not keeping),
        f"{len(keeping)} of the {len(sources)} training scripts evaluate after every epoch on the split that is"
        f" reported and keep the model of the best epoch ({'; '.join(keeping)}); none holds out other rows to choose"
        " by. Which epoch a printed cell is of, the release does not say.",
    )


def _worth(evidence: Evidence) -> Finding:
    gains: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    by_task: dict[tuple[str, str], list[float]] = defaultdict(list)
    for run in evidence.completed_runs():
        record = run.record
        if record.metric["higher_is_better"] and len(run.metrics) > 1 and record.selection == "best_on_eval":
            best = best_score(run)
            gain = 100 * (best["value"] - final_score(run)["value"])
            gains[record.method].append((gain, best["epoch"] < run.metrics[-1]["epoch"]))
            by_task[record.backbone, record.task].append(gain)
    everything = [gain for method in gains.values() for gain in method]
    if len(everything) < _ENOUGH_RUNS:
        raise MissingEvidence(f"It needs {_ENOUGH_RUNS} runs of several epochs; there are {len(everything)}.", _TABLE)
    worth = mean([fmean(found) for found in by_task.values()], "tasks")
    decision = decide(worth, high=_NEGLIGIBLE, backbones={backbone for backbone, _ in by_task})
    return Finding(
        decision.verdict,
        f"Over {len(everything)} runs of ours on {len(by_task)} tasks the best epoch is {worth} points above the last"
        f" one (mean over the tasks), at most {max(gain for gain, _ in everything):.2f}; in"
        f" {sum(earlier for _, earlier in everything)} of them it is an earlier epoch. The rule here: less than"
        f" {_NEGLIGIBLE} points is little.",
        ("method", "runs", "mean best - last", "largest", "runs with an earlier best"),
        tuple(
            (method, len(found), fmean(g for g, _ in found), max(g for g, _ in found), sum(e for _, e in found))
            for method, found in sorted(gains.items())
        ),
        decision.would_take,
    )


CLAIMS = (
    Claim(
        "selection",
        "",
        "The released scripts choose the epoch that they keep without the rows that they report.",
        "Tables 2-4; the three training scripts",
        _selection,
        needs=READS_CODE,
    ),
    Claim("selection-worth", "", "Reporting the best epoch instead of the last changes little.", "Tables 2-4", _worth),
)
