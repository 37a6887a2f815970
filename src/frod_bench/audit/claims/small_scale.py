"""Whether small backbones with equally tuned rates order the methods as the tables do: verdicts on the same rows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from frod_bench.audit.claim import FAILS, HOLDS, UNDECIDED, Claim, Finding
from frod_bench.audit.evidence import Evidence
from frod_bench.record import StoredRun
from frod_bench.report.variants import method_in

if TYPE_CHECKING:
    from frod_bench.report.paired.verdict import Judged

_FULL = "full_ft"
_COMMAND = "frod-bench table study_glue --profile offline data.root=DIR"
_HEADERS = (
    *("backbone", "task", "method", "baseline", "verdict", "difference", "low", "high", "p (Holm)", "seeds"),
    *("rows", "shows with probability 0.8"),
)


@dataclass(frozen=True)
class _Verdicts:
    """Verdicts on FRoD against other methods on one backbone: by task, and on the mean of most tasks, if of several."""

    backbone: str
    judged: list["Judged"]

    @property
    def widest(self) -> list["Judged"]:
        most = max(len(each.pair.differences) for each in self.judged)
        return [each for each in self.judged if len(each.pair.differences) == most]

    @property
    def rows(self) -> list[tuple]:
        return [
            (
                *(self.backbone, each.pair.task, each.pair.method, each.pair.baseline, each.verdict),
                *(100 * value for value in (each.pair.estimate.value, *each.pair.estimate.interval())),
                *(each.p, each.pair.seeds, each.pair.rows, 100 * each.detectable),
            )
            for each in self.judged
        ]


def _verdicts(evidence: Evidence) -> list[_Verdicts]:
    return evidence.cached("paired verdicts", lambda: _judge(evidence.completed_runs()))


def _judge(runs: Iterable[StoredRun]) -> list[_Verdicts]:
    """Judge the runs with tuned rates and predictions, setting by setting."""
    from frod_bench.report.paired.pairs import pairs  # scipy takes a second
    from frod_bench.report.paired.verdict import judge
    from frod_bench.report.summary import summarise

    fair = [run for run in runs if run.record.protocol == "fair" and run.record.predictions]
    found = []
    for section in summarise(fair).sections:
        if judged := [each for block in pairs(section).blocks for each in judge(block)]:
            found.append(_Verdicts(section.setting.backbone, judged))
    return found


def _matches_full(judged: "Judged") -> str:
    if judged.p_equivalent < judged.level or judged.verdict == "better":
        return HOLDS
    return FAILS if judged.verdict == "worse" else UNDECIDED


def _is_better(judged: "Judged") -> str:
    return {"better": HOLDS, "worse": FAILS, "equivalent": FAILS, "undecided": UNDECIDED}[judged.verdict]


def _check(evidence: Evidence, wanted: Callable[[str], bool], reading: Callable[["Judged"], str]) -> Finding:
    """Read every verdict on the widest mean against a wanted method; the claim holds if all of them hold."""
    from frod_bench.report.paired.words import points, sentence, what_would_decide

    verdicts = _verdicts(evidence)
    read = [
        (each, reading(each))
        for of_backbone in verdicts
        for each in of_backbone.widest
        if wanted(method_in(each.pair.baseline))
    ]
    if not read:
        return Finding(UNDECIDED, _nothing(evidence.completed_runs()), would_take=_WOULD_TAKE)
    outcome = next((word for word in (FAILS, UNDECIDED) if word in {own for _, own in read}), HOLDS)
    told = [
        f"{sentence(each)} A difference of {points(each.detectable)} would be found with probability 0.8."
        for each, _ in read
    ]
    rows = [row for of_backbone in verdicts for row in of_backbone.rows if wanted(method_in(row[3]))]
    open_ones = [what_would_decide(each) for each, own in read if own == UNDECIDED]
    would_take = " ".join(open_ones) if outcome == UNDECIDED else ""
    return Finding(outcome, " ".join(told), _HEADERS, tuple(rows), would_take)


_WOULD_TAKE = (
    "Runs with equally tuned rates, fresh seeds and predictions per row, of FRoD and the other methods:"
    f" `{_COMMAND}`. `frod-bench plan study_glue --profile offline --detect 1` says how many rows and seeds show one"
    " point with probability 0.8."
)


def _nothing(runs: list[StoredRun]) -> str:
    predicted = sum(bool(run.record.predictions) for run in runs)
    tuned = sum(run.record.protocol == "fair" for run in runs)
    return (
        f"Of {len(runs):,} stored runs {predicted or 'none'} have predictions per row and {tuned or 'none'} have rates"
        " that were tuned with equal effort on held-out rows, so no two methods can be judged on the same rows. Their"
        " tables show scores at rates of unequal effort; nothing follows from these about which method is better."
    )


def _full(evidence: Evidence) -> Finding:
    return _check(evidence, lambda method: method == _FULL, _matches_full)


def _others(evidence: Evidence) -> Finding:
    return _check(evidence, lambda method: method != _FULL, _is_better)


CLAIMS = (
    Claim(
        "small-full-ft",
        "",
        "With equally tuned rates FRoD matches full fine-tuning on small backbones, too: better, or equivalent within"
        " one point on the mean of the tasks.",
        "the abstract and Tables 2-4",
        _full,
    ),
    Claim(
        "small-adapters",
        "",
        "With equally tuned rates FRoD is better than every other adapter on small backbones, too, on the mean of the"
        " tasks.",
        "Tables 2-4",
        _others,
    ),
)
