"""How many epochs FRoD and LoRA take to come near full fine-tuning, in our own runs."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from frod_bench.audit.claim import Claim, Finding
from frod_bench.audit.decide import decide, proportion
from frod_bench.audit.evidence import Evidence, MissingEvidence, settings
from frod_bench.record import StoredRun
from frod_bench.report.epoch_scores import curve_metric

_SHARE = 0.99  # of full fine-tuning's best accuracy counts as converged
_DENSITY = 0.02
_DEFAULTS = {"method.basis": "category", "method.pattern": "random", "method.head": "trained"}
_ENOUGH = 5
_TABLE = "make table4 PROFILE=offline"
_TUNED = "every method's rates were tuned with equal effort on held-out rows"
_UNTUNED = "each run has its own rates, and nothing here tells whether they are its method's best"


@dataclass
class _Compared:
    """Runs of FRoD beside LoRA and full fine-tuning: a row for each, how often each outcome, how many are at chance."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    at_chance: int = 0

    @property
    def told(self) -> int:
        """How many of the pairs have one or both at the level."""
        return len(self.rows) - self.outcomes["neither"]


def _convergence(evidence: Evidence) -> Finding:
    found = _compare(evidence, tuned=True)
    tuned = found.told >= _ENOUGH
    found = found if tuned else _compare(evidence, tuned=False)
    if found.told < _ENOUGH:
        what = f"It needs {_ENOUGH} runs of FRoD beside LoRA and full fine-tuning, one of the first two"
        raise MissingEvidence(f"{what} coming near the third; there are {found.told}.", _TABLE)
    rows, outcomes = found.rows, found.outcomes
    first, last = outcomes["fewer"] + outcomes["only FRoD"], outcomes["more"] + outcomes["only LoRA"]
    ahead = proportion(first, first + last, "pairs of runs of which one is first")
    decision = decide(ahead, low=0.5, backbones={row[0] for row in rows})
    return Finding(
        decision.verdict,
        f"Compared are {len(rows)} runs of FRoD at our scale (random pattern, basis=category, s = {_DENSITY}, more than"
        " one epoch), each beside the only run of LoRA and the only one of full fine-tuning that share its task, rows,"
        f" seed and all settings but those of the method and the learning rates; {_TUNED if tuned else _UNTUNED}. To"
        f" the first epoch at or above {_SHARE:.0%} of full"
        f" fine-tuning's best accuracy{' on the held-out rows' if tuned else ''} FRoD takes fewer epochs than LoRA in"
        f" {outcomes['fewer']}, as many in"
        f" {outcomes['as many']} and more in {outcomes['more']}; only FRoD gets there in {outcomes['only FRoD']}, only"
        f" LoRA in {outcomes['only LoRA']}, neither in {outcomes['neither']}. {found.at_chance} more are left out, as"
        " that level is at most one standard error of these rows above chance: one over the number of classes or,"
        " where an epoch has a Matthews correlation of 0, the share of the class that it names throughout. The records"
        " hold no other shares of classes, so other levels may be near one. FRoD is there first, or alone, in"
        f" {first} of the {first + last} pairs in which one of the two is: a share of {ahead}, where 0.5 is no"
        f" difference. {_power(first + last)} Pairs of one task are not independent, so the true interval is wider.",
        (
            *("backbone", "task", "training rows", "seed", "level"),
            *("epoch, full fine-tuning", "epoch, LoRA", "epoch, FRoD", "rates of FRoD"),
        ),
        tuple(sorted(rows, key=lambda row: row[:4])),
        decision.would_take,
    )


def _power(pairs: int) -> str:
    from frod_bench.report.paired.power import detectable_share  # scipy takes a second

    share = detectable_share(pairs)
    return (
        f"So many pairs show a true share of {share:.2f} or more with probability 0.8."
        if share is not None
        else "So few pairs cannot show any share."
    )


def _compare(evidence: Evidence, tuned: bool) -> _Compared:
    """Compare the runs with tuned rates, or the others."""
    found = _Compared()
    for runs in _cells(evidence, tuned):
        if not len(runs["full_ft"]) == len(runs["lora"]) == 1:
            continue
        full, lora = (_curve(runs[method][0]) for method in ("full_ft", "lora"))
        level = _SHARE * max(full)
        if level <= _chance(evidence, [run for same in runs.values() for run in same]):
            found.at_chance += len(runs["frod"])
            continue
        for run in runs["frod"]:
            epochs = [_first(curve, level) for curve in (full, lora, _curve(run))]
            record = run.record
            place = (record.backbone, record.task, record.samples["train"], record.seed)
            found.rows.append((*place, 100 * level, *epochs, _rates(run)))
            found.outcomes[_outcome(*epochs[1:])] += 1
    return found


def _cells(evidence: Evidence, tuned: bool) -> Iterable[dict[str, list[StoredRun]]]:
    """Return groups of runs that differ only in the method and its learning rates, each by method."""
    cells: dict[frozenset, dict[str, list[StoredRun]]] = defaultdict(lambda: defaultdict(list))
    for run in evidence.completed_runs():
        own, record = settings(run), run.record
        if len(run.metrics) < 2 or record.metric["name"] != "accuracy" or (record.protocol == "fair") != tuned:
            continue
        if any(own.get(key, default) != default for key, default in _DEFAULTS.items()):
            continue
        if record.method != "frod" or own.get("method.sparsity") == _DENSITY:
            shared = [(k, str(value)) for k, value in own.items() if not k.startswith(("method.", "train.lr."))]
            cells[frozenset(shared)][record.method].append(run)
    return cells.values()


def _chance(evidence: Evidence, runs: list[StoredRun]) -> float:
    """Return chance accuracy, as far as the records tell it, plus one standard error."""
    column, rows = _judged_by(runs[0])
    evaluations = [line["eval"] for run in runs for line in run.metrics]
    matthews = column.replace("accuracy", "matthews_correlation")
    one_class = [found[column] for found in evaluations if found.get(matthews) == 0]
    classes = evidence.num_classes(runs[0])
    p = max([*one_class, 1 / classes if classes else 0.0])
    return p + sqrt(p * (1 - p) / rows)


def _judged_by(run: StoredRun) -> tuple[str, int]:
    """Return the column that every epoch has, and its number of rows."""
    return curve_metric(run), run.record.samples["holdout" if run.record.protocol == "fair" else "eval"]


def _curve(run: StoredRun) -> list[float]:
    column, _ = _judged_by(run)
    return [line["eval"][column] for line in run.metrics]


def _first(curve: list[float], level: float) -> int | None:
    return next((epoch for epoch, value in enumerate(curve, 1) if value >= level), None)


def _outcome(lora: int | None, frod: int | None) -> str:
    if lora is None:
        return "neither" if frod is None else "only FRoD"
    if frod is None:
        return "only LoRA"
    return "as many" if frod == lora else "fewer" if frod < lora else "more"


def _rates(run: StoredRun) -> str:
    rates = {key.removeprefix("train.lr."): rate for key, rate in settings(run).items() if key.startswith("train.lr.")}
    return ", ".join(f"{role} {rate:g}" for role, rate in rates.items())


CLAIMS = (
    Claim(
        "convergence",
        "FRoD exhibits markedly faster convergence across the main experiments",
        f"FRoD is at {_SHARE:.0%} of full fine-tuning's best accuracy in fewer epochs than LoRA.",
        'paper, "Convergence Speed"',
        _convergence,
    ),
)
