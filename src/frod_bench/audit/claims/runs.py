"""What takes runs: the choice of the epoch, the speed of convergence, and the time of a step."""

from collections import defaultdict
from statistics import fmean

from frod_bench.audit import scripts
from frod_bench.audit.claim import Claim, Finding, verdict
from frod_bench.audit.evidence import Evidence, Missing

_ENOUGH_RUNS, _ENOUGH_CELLS = 10, 5
_MINIMAL = 1.5  # times the step of LoRA
_TABLE = "make table4 PROFILE=offline"
_SHARE = 0.99  # of full fine-tuning's best accuracy, taken as having converged
_BENCH = "frod-bench bench step --layers 4 --rounds 3 --contenders lora,peft_frod,frod --to results/bench"


def _selection(evidence: Evidence) -> Finding:
    """Read the three scripts, and what the choice is worth in our runs."""
    release = evidence.release("AAAI2026-FRoD")
    sources = [release.source(path) for path in (scripts.VISION, scripts.GLUE, scripts.COMMONSENSE)]
    keeping = [source.at(node) for source in sources if (node := scripts.keeps_best(source))]
    return Finding(
        verdict(not keeping),
        f"{len(keeping)} of the {len(sources)} training scripts evaluate after every epoch on the split that is"
        f" reported and keep the model of the best epoch ({'; '.join(keeping)}); none holds out other rows to choose"
        " by.",
    )


def _worth(evidence: Evidence) -> Finding:
    gains: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for run in evidence.completed_runs():
        record = run.record
        if record.metric["higher_is_better"] and len(run.metrics) > 1 and record.selection == "best_on_eval":
            gain = 100 * (record.best["value"] - record.final["value"])
            gains[record.method].append((gain, record.best["epoch"] < run.metrics[-1]["epoch"]))
    everything = [gain for method in gains.values() for gain in method]
    if len(everything) < _ENOUGH_RUNS:
        raise Missing(f"It needs {_ENOUGH_RUNS} runs of several epochs; there are {len(everything)}.", _TABLE)
    mean = fmean(gain for gain, _ in everything)
    return Finding(
        verdict(mean < 0.1),
        f"Over {len(everything)} runs of ours the best epoch is {mean:.2f} points above the last one on average, at"
        f" most {max(gain for gain, _ in everything):.2f}; in {sum(earlier for _, earlier in everything)} of them it"
        " is an earlier epoch. The rule here: less than 0.1 points is no matter.",
        ("method", "runs", "mean best - last", "largest", "runs with an earlier best"),
        tuple(
            (method, len(found), fmean(g for g, _ in found), max(g for g, _ in found), sum(e for _, e in found))
            for method, found in sorted(gains.items())
        ),
    )


def _convergence(evidence: Evidence) -> Finding:
    cells: dict[tuple, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    for run in evidence.completed_runs():
        record = run.record
        place = (record.profile, record.backbone, record.task, record.seed)
        alike = (record.protocol, record.selection, record.samples["train"], len(run.metrics))
        curve = [line["eval"][record.metric["name"]] for line in run.metrics]
        cells[*place, *alike][record.method].append(curve)
    rows = []
    for (_, backbone, task, seed, *_), curves in cells.items():
        if len(curves["full_ft"]) == len(curves["lora"]) == 1:
            level = _SHARE * max(curves["full_ft"][0])
            other = [_first(curves[method][0], level) for method in ("full_ft", "lora")]
            rows += [(backbone, task, seed, 100 * level, *other, _first(curve, level)) for curve in curves["frod"]]
    if len(rows) < _ENOUGH_CELLS:
        what = f"It needs {_ENOUGH_CELLS} runs of FRoD beside LoRA and full fine-tuning; there are {len(rows)}."
        raise Missing(what, _TABLE)
    faster = sum((frod or 1e9) < (lora or 1e9) for *_, lora, frod in rows)
    slower = sum((frod or 1e9) > (lora or 1e9) for *_, lora, frod in rows)
    return Finding(
        verdict(faster > slower),
        f"Of {len(rows)} runs of FRoD at our scale, each beside one of LoRA and one of full fine-tuning on the same"
        f" task with the same seed and number of epochs, every method at its own tuned rates, {faster} reach"
        f" {_SHARE:.0%} of full fine-tuning's best accuracy in fewer epochs than LoRA and {slower} in more. FRoD does"
        f" not reach it in {sum(row[-1] is None for row in rows)}, LoRA in {sum(row[-2] is None for row in rows)}.",
        ("backbone", "task", "seed", "level", "epoch, full fine-tuning", "epoch, LoRA", "epoch, FRoD"),
        tuple(sorted(rows, key=lambda row: row[:3])),
    )


def _first(curve: list[float], level: float) -> int | None:
    return next((epoch for epoch, value in enumerate(curve, 1) if value >= level), None)


def _overhead(evidence: Evidence) -> Finding:
    measured = [
        r for r in evidence.benchmarks("step") if {"lora", "peft_frod"} <= {row["contender"] for row in r["rows"]}
    ]
    if not measured:
        raise Missing("It needs a measured step of LoRA and of PEFT's FRoD in one process.", _BENCH)
    rows = []
    for result in measured:
        cost = {row["contender"]: (row["median_ms"], row["gflop"]) for row in result["rows"]}
        setting, (base_ms, base_gflop) = result["setting"], cost["lora"]
        label = f"{setting['shape']}, {setting['layers']} layers, batch {setting['batch']}, {setting['dtype']}"
        device = result["environment"]["device"]
        rows += [(label, device, n, ms, ms / base_ms, gflop / base_gflop) for n, (ms, gflop) in cost.items()]
    ratios = {name: [row[4] for row in rows if row[2] == name] for name in ("peft_frod", "frod")}
    devices = " and ".join(sorted({row[1] for row in rows}))
    ours = ""
    if ratios["frod"]:
        better = ", so the overhead is that implementation's" if max(ratios["frod"]) < _MINIMAL else ""
        ours = f"; the layer of this repository takes {_range(ratios['frod'])} times{better}"
    return Finding(
        verdict(max(ratios["peft_frod"]) < _MINIMAL),
        f"On {devices}, a training step of FRoD as PEFT computes it takes {_range(ratios['peft_frod'])} times as long"
        f" as one of LoRA{ours}. Other devices were not timed. The rule here: less than {_MINIMAL} times is minimal.",
        ("setting", "device", "contender", "ms a step", "time over LoRA", "arithmetic over LoRA"),
        tuple(rows),
    )


def _range(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.1f}" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f} to {high:.1f}"


CLAIMS = (
    Claim(
        "selection",
        "The reported accuracies are of models chosen without the rows that they are measured on.",
        "what a reader of Tables 2-4 has to assume",
        _selection,
        code=True,
    ),
    Claim(
        "selection-worth",
        "Reporting the best epoch instead of the last changes little.",
        "what a reader of Tables 2-4 has to assume",
        _worth,
    ),
    Claim(
        "convergence",
        "FRoD converges in fewer epochs than LoRA.",
        'paper, abstract and "Convergence Speed"',
        _convergence,
    ),
    Claim(
        "overhead",
        "The sparse matrices inject rotational flexibility with minimal computational overhead.",
        'paper, "Motivation: Parameter Degree of Freedom"; judged by the FRoD that PEFT has',
        _overhead,
    ),
)
