"""How many epochs FRoD and LoRA take to come near full fine-tuning, in our own runs."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from math import sqrt
from typing import Any

from frod_bench.audit.claim import Claim, Finding
from frod_bench.audit.decide import decide, proportion
from frod_bench.audit.evidence import Evidence, MissingEvidence, settings
from frod_bench.record import StoredRun

_SHARE = 0.99  # of full fine-tuning's best accuracy counts as converged
_DENSITY = 0.02
_DEFAULTS = {"method.basis": "category", "method.pattern": "random", "method.head": "trained"}
_ENOUGH = 5
_TABLE = "make table4 PROFILE=offline"


def _convergence(evidence: Evidence) -> Finding:
    rows: list[tuple[Any, ...]] = []
    outcomes: Counter[str] = Counter()
    at_chance = 0
    for runs in _cells(evidence):
        if not len(runs["full_ft"]) == len(runs["lora"]) == 1:
            continue
        full, lora = (_curve(runs[method][0]) for method in ("full_ft", "lora"))
        level = _SHARE * max(full)
        if level <= _chance(evidence, [run for found in runs.values() for run in found]):
            at_chance += len(runs["frod"])
            continue
        for run in runs["frod"]:
            epochs = [_first(curve, level) for curve in (full, lora, _curve(run))]
            record = run.record
            place = (record.backbone, record.task, record.samples["train"], record.seed)
            rows.append((*place, 100 * level, *epochs, _rates(run)))
            outcomes[_outcome(*epochs[1:])] += 1
    told = len(rows) - outcomes["neither"]
    if told < _ENOUGH:
        what = f"It needs {_ENOUGH} runs of FRoD beside LoRA and full fine-tuning, one of the first two"
        raise MissingEvidence(f"{what} coming near the third; there are {told}.", _TABLE)
    first, last = outcomes["fewer"] + outcomes["only FRoD"], outcomes["more"] + outcomes["only LoRA"]
    ahead = proportion(first, first + last, "pairs of runs of which one is first")
    decision = decide(ahead, low=0.5, backbones={row[0] for row in rows})
    return Finding(
        decision.verdict,
        f"Compared are {len(rows)} runs of FRoD at our scale (random pattern, basis=category, s = {_DENSITY}, more than"
        " one epoch), each beside the only run of LoRA and the only one of full fine-tuning that share its task, rows,"
        " seed and all settings but those of the method and the learning rates; each run has its own rates, and nothing"
        f" here tells whether they are its method's best. To the first epoch at or above {_SHARE:.0%} of full"
        f" fine-tuning's best accuracy FRoD takes fewer epochs than LoRA in {outcomes['fewer']}, as many in"
        f" {outcomes['as many']} and more in {outcomes['more']}; only FRoD gets there in {outcomes['only FRoD']}, only"
        f" LoRA in {outcomes['only LoRA']}, neither in {outcomes['neither']}. {at_chance} more are left out, as that"
        " level is at most one standard error of the evaluation rows above chance: one over the number of classes or,"
        " where an epoch has a Matthews correlation of 0, the share of the class that it names throughout. The records"
        " hold no other shares of classes, so other levels may be near one. FRoD is there first, or alone, in"
        f" {first} of the {first + last} pairs in which one of the two is: a share of {ahead}, where 0.5 is no"
        " difference. Pairs of one task are not independent, so the true interval is wider.",
        (
            *("backbone", "task", "training rows", "seed", "level"),
            *("epoch, full fine-tuning", "epoch, LoRA", "epoch, FRoD", "rates of FRoD"),
        ),
        tuple(sorted(rows, key=lambda row: row[:4])),
        decision.would_take,
    )


def _cells(evidence: Evidence) -> Iterable[dict[str, list[StoredRun]]]:
    """Return groups of runs that differ only in the method and its learning rates, each by method."""
    cells: dict[frozenset, dict[str, list[StoredRun]]] = defaultdict(lambda: defaultdict(list))
    for run in evidence.completed_runs():
        own, record = settings(run), run.record
        if len(run.metrics) < 2 or record.metric["name"] != "accuracy":
            continue
        if any(own.get(key, default) != default for key, default in _DEFAULTS.items()):
            continue
        if record.method != "frod" or own.get("method.sparsity") == _DENSITY:
            shared = [(k, str(value)) for k, value in own.items() if not k.startswith(("method.", "train.lr."))]
            cells[frozenset(shared)][record.method].append(run)
    return cells.values()


def _chance(evidence: Evidence, runs: list[StoredRun]) -> float:
    """Return chance accuracy, as far as the records tell it, plus one standard error."""
    evaluations = [line["eval"] for run in runs for line in run.metrics]
    one_class = [found["accuracy"] for found in evaluations if found.get("matthews_correlation") == 0]
    classes = evidence.num_classes(runs[0])
    p = max([*one_class, 1 / classes if classes else 0.0])
    return p + sqrt(p * (1 - p) / runs[0].record.samples["eval"])


def _curve(run: StoredRun) -> list[float]:
    return [line["eval"]["accuracy"] for line in run.metrics]


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
