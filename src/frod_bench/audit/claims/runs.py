"""What takes runs: the choice of the epoch, and the time of a step."""

from collections import defaultdict
from statistics import fmean

from frod_bench.audit import scripts
from frod_bench.audit.claim import Claim, Finding, verdict
from frod_bench.audit.evidence import Evidence, Missing

_ENOUGH_RUNS = 10
_MINIMAL = 1.5  # times the step of LoRA
_TABLE = "make table4 PROFILE=offline"
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
        "overhead",
        "The sparse matrices inject rotational flexibility with minimal computational overhead.",
        'paper, "Motivation: Parameter Degree of Freedom"; judged by the FRoD that PEFT has',
        _overhead,
    ),
)
