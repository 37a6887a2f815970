"""Whether the baselines that the paper ran itself were trained as a reader would expect."""

import ast
from collections import defaultdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from frod_bench.audit import scripts
from frod_bench.audit.claim import FAILS, READS_CODE, UNDECIDED, Claim, Finding, verdict
from frod_bench.audit.decide import Decision, decide, mean
from frod_bench.audit.evidence import Evidence, MissingEvidence, best_score, settings
from frod_bench.audit.release import Source

if TYPE_CHECKING:
    from torch import nn

_HEAD = "classifier"
_WIDTH = 64
_NEGLIGIBLE = 0.5  # points of accuracy
_BUNDLED = "peft/src/peft/__init__.py"  # of the PEFT that the release's README says to install
_RUNS = (
    "FROD_BENCH_OUT=results/runs/audit frod-bench -m profile=offline task=vision/digits method=vera,randlora"
    " method.head=trained,frozen data.max_train=480 train.epochs=3 seed=0,1"
)


def _vera(evidence: Evidence) -> Finding:
    reached, head, measured, rows = _optimized(evidence, "vera")
    return Finding(verdict(reached == head), measured, _FILTERED, rows)


def _randlora(evidence: Evidence) -> Finding:
    """Say what the script would do, and whether the PEFT beside it could have done it."""
    bundled = evidence.release("AAAI2026-FRoD").source(_BUNDLED)
    reached, head, measured, rows = _optimized(evidence, "randlora")
    if "RandLoraConfig" in bundled.text:
        return Finding(verdict(reached == head), measured, _FILTERED, rows)
    return Finding(
        UNDECIDED,
        f"The PEFT that the release installs has no RandLoraConfig ({bundled.at(bundled.line_of('__version__'))}), so"
        f" the script as released cannot have made this row. With the PEFT installed here, {version('peft')}:"
        f" {measured}",
        _FILTERED,
        rows,
        "The script and the PEFT that made RandLoRA's row.",
    )


_FILTERED = ("filter", "parameters that match", "line")


def _optimized(evidence: Evidence, method: str) -> tuple[int, int, str, tuple[tuple, ...]]:
    """Apply the script's own adapter and filters to the script's model, in small.

    Returns how many parameters of the head the optimizer gets and how many there are, a sentence and rows.
    """
    source = evidence.release("AAAI2026-FRoD").source(scripts.VISION)
    branch = scripts.optimizer_branches(source)[method]
    filters = scripts.filters(branch)
    adapter = _adapter_call(source, method)
    parameters = dict(_adapted(adapter, method).named_parameters())
    head = [name for name in parameters if f".{_HEAD}." in name and "original_module" not in name]
    reached = [name for name in head if any(word in name for word, _ in filters) and parameters[name].requires_grad]
    open_head = [name for name in head if parameters[name].requires_grad]
    trainable = [name for name, parameter in parameters.items() if parameter.requires_grad]
    lost = [name for name in trainable if not any(word in name for word, _ in filters)]
    kinds = sorted({_HEAD if name in head else next(p for p in name.split(".") if method in p) for name in lost})
    measured = (
        f"Applied to the script's model with the script's adapter, the filters of the {method} branch give the"
        f" optimizer {len(reached)} of the {len(head)} parameters of the classification head: they look for"
        f" {', '.join(repr(word) for word, _ in filters)}, and the head is called {_HEAD!r}"
        f" ({source.at(branch, adapter)}). The script's adapter makes {len(open_head)} of them trainable. Trainable"
        f" and without an optimizer are {len(lost)} of {len(trainable)} tensors ({', '.join(kinds) or 'none'})."
    )
    rows = tuple((word, sum(word in name for name in parameters), source.at(line)) for word, line in filters)
    return len(reached), len(head), measured, rows


def _adapter_call(source: Source, method: str) -> ast.Call:
    branch = scripts.method_words(source, "get_lora_config")[method]
    return next(node.value for node in branch.body if isinstance(node, ast.Return) and isinstance(node.value, ast.Call))


def _adapted(adapter: ast.Call, method: str) -> "nn.Module":
    """Return a small random model of the script's class with the adapter that a call in the script describes."""
    import peft
    import torch
    from transformers import CLIPConfig, CLIPForImageClassification

    options: dict[str, Any] = {word.arg: ast.literal_eval(word.value) for word in adapter.keywords if word.arg}
    vision = {"hidden_size": _WIDTH, "intermediate_size": 2 * _WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2}
    made: peft.PeftConfig = {"vera": peft.VeraConfig, "randlora": peft.RandLoraConfig}[method](**options)
    config = CLIPConfig(vision_config=vision | {"image_size": 8, "patch_size": 4})
    config.num_labels = 3
    with torch.random.fork_rng(devices=[]):
        return peft.get_peft_model(CLIPForImageClassification(config), made)


def _optimizers(evidence: Evidence) -> Finding:
    """Go by the PEFT that the release brings: what it lacks cannot be imported."""
    release = evidence.release("AAAI2026-FRoD")
    source, bundled = release.source(scripts.VISION), release.source(_BUNDLED)
    branches = scripts.method_words(source, "get_lora_config")
    offered = {*branches, "lora"}
    without = sorted(offered - set(scripts.optimizer_branches(source)))
    configs = {word: ast.unparse(_adapter_call(source, word).func) for word in branches}
    absent = sorted(word for word, config in configs.items() if config not in bundled.text)
    bundled_version = bundled.at(bundled.line_of("__version__"))
    return Finding(
        verdict(not without and not absent),
        f"The image script distinguishes {len(offered)} adapters ({', '.join(sorted(offered))}, LoRA as what is left"
        f" over). It makes no optimizer for {' and '.join(without) or 'none of them'}"
        f" ({source.at(*scripts.optimizer_branches(source).values())}). The PEFT that the release installs"
        f" ({bundled_version}) lacks what it imports for {' and '.join(absent) or 'none of them'}.",
    )


def _cost(evidence: Evidence) -> Finding:
    pairs: dict[tuple, dict[str, float]] = defaultdict(dict)
    for run in evidence.completed_runs():
        if run.record.method in ("vera", "randlora"):
            others = {key: str(value) for key, value in settings(run).items() if key != "method.head"}
            head = run.record.settings.get("method.head") or "trained"
            key = (run.record.method, run.record.task, run.record.seed, run.record.backbone, *sorted(others.items()))
            pairs[key][head] = 100 * best_score(run)["value"]
    whole = {key: pair for key, pair in pairs.items() if len(pair) > 1}
    rows = [
        (*key[:3], pair["trained"], pair["frozen"], pair["trained"] - pair["frozen"]) for key, pair in whole.items()
    ]
    if not rows:
        raise MissingEvidence("It needs runs with the head trained and frozen, otherwise equal.", _RUNS)
    costs = {
        m: mean([row[5] for row in rows if row[0] == m], "pairs of runs") for m in sorted({row[0] for row in rows})
    }
    backbones = {key[3] for key in whole}
    decision = _joint_decision([decide(cost, -_NEGLIGIBLE, _NEGLIGIBLE, backbones) for cost in costs.values()])
    return Finding(
        decision.verdict,
        f"Over {len(rows)} pairs of runs that differ only in the head, a frozen head costs "
        + " and ".join(f"{method} {cost}" for method, cost in costs.items())
        + " points of accuracy (best epoch, mean over the pairs), at our scale and on the tasks listed. The rule here:"
        f" less than {_NEGLIGIBLE} points is no cost.",
        ("method", "task", "seed", "head trained", "head frozen", "difference"),
        tuple(sorted(rows)),
        decision.would_take,
    )


def _joint_decision(decisions: list[Decision]) -> Decision:
    """Return one decision for several: the first that fails, else the first that is undecided, else the first."""
    order = (FAILS, UNDECIDED)
    return next((d for word in order for d in decisions if d.verdict == word), decisions[0])


CLAIMS = (
    Claim(
        "vera-head",
        "",
        "The released image script trains VeRA's classification head, as it trains FRoD's.",
        "the comparison in Table 2; image_classification/clip_vit_peft.py",
        _vera,
        needs=READS_CODE,
    ),
    Claim(
        "randlora-head",
        "",
        "RandLoRA's row of Table 2 has a trained classification head.",
        "the comparison in Table 2; image_classification/clip_vit_peft.py",
        _randlora,
        needs=READS_CODE,
    ),
    Claim(
        "head-cost",
        "",
        "A head that is not trained costs these two baselines nothing.",
        "the comparison in Table 2",
        _cost,
    ),
    Claim(
        "all-methods-run",
        "",
        "The released image script trains every method that it offers.",
        "image_classification/clip_vit_peft.py",
        _optimizers,
        needs=READS_CODE,
    ),
)
