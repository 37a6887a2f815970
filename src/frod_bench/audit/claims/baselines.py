"""Whether the baselines that the paper ran itself are trained as a reader would expect."""

import ast
from collections import defaultdict
from statistics import fmean

import peft
import torch
import yaml
from torch import nn
from transformers import CLIPConfig, CLIPForImageClassification

from frod_bench.audit import scripts
from frod_bench.audit.claim import Claim, Finding, verdict
from frod_bench.audit.evidence import Evidence, Missing
from frod_bench.audit.release import Source

_HEAD = "classifier"
_WIDTH = 64
_RUNS = (
    "FROD_BENCH_OUT=results/runs/audit frod-bench -m profile=offline task=vision/digits method=vera,randlora"
    " method.head=trained,frozen data.max_train=480 train.epochs=3 seed=0,1"
)


def _optimized(evidence: Evidence, method: str) -> Finding:
    """Apply the script's own adapter and filters to the script's model, in small."""
    source = evidence.release("AAAI2026-FRoD").source(scripts.VISION)
    branch = scripts.optimizer_branches(source)[method]
    filters = scripts.filters(branch)
    adapter = _adapter_call(source, method)
    parameters = dict(_adapted(adapter).named_parameters())
    head = [name for name in parameters if f".{_HEAD}." in name and "original_module" not in name]
    reached = [name for name in head if any(word in name for word, _ in filters) and parameters[name].requires_grad]
    open_head = [name for name in head if parameters[name].requires_grad]
    trainable = [name for name, parameter in parameters.items() if parameter.requires_grad]
    lost = [name for name in trainable if not any(word in name for word, _ in filters)]
    kinds = sorted({_HEAD if name in head else next(p for p in name.split(".") if method in p) for name in lost})
    return Finding(
        verdict(len(reached) == len(head)),
        f"Applied to the script's model with the script's adapter, the filters of the {method} branch give the"
        f" optimizer {len(reached)} of the {len(head)} parameters of the classification head: they look for"
        f" {', '.join(repr(word) for word, _ in filters)}, and the head is called {_HEAD!r}"
        f" ({source.at(branch, adapter)}). The script's adapter makes {len(open_head)} of them trainable. Trainable"
        f" and without an optimizer are {len(lost)} of {len(trainable)} tensors ({', '.join(kinds) or 'none'}).",
        ("filter", "parameters that match", "line"),
        tuple((word, sum(word in name for name in parameters), source.at(line)) for word, line in filters),
    )


def _adapter_call(source: Source, method: str) -> ast.Call:
    branch = scripts.method_words(source, "get_lora_config")[method]
    return next(node.value for node in branch.body if isinstance(node, ast.Return))


def _adapted(adapter: ast.Call) -> nn.Module:
    """Return a small random model of the script's class with the adapter that a call in the script describes."""
    options = {keyword.arg: ast.literal_eval(keyword.value) for keyword in adapter.keywords}
    vision = {"hidden_size": _WIDTH, "intermediate_size": 2 * _WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2}
    with torch.random.fork_rng(devices=[]):
        model = CLIPForImageClassification(
            CLIPConfig(vision_config=vision | {"image_size": 8, "patch_size": 4}, num_labels=3)
        )
        return peft.get_peft_model(model, getattr(peft, adapter.func.id)(**options))


def _optimizers(evidence: Evidence) -> Finding:
    source = evidence.release("AAAI2026-FRoD").source(scripts.VISION)
    offered = {*scripts.method_words(source, "get_lora_config"), "lora"}
    without = sorted(offered - set(scripts.optimizer_branches(source)))
    return Finding(
        verdict(not without),
        f"The image script distinguishes {len(offered)} adapters ({', '.join(sorted(offered))}, LoRA as what is left"
        f" over) and makes no optimizer for {' and '.join(without) or 'none of them'}; such a run ends with a"
        f" NameError. ({source.at(*scripts.optimizer_branches(source).values())})",
    )


def _cost(evidence: Evidence) -> Finding:
    pairs: dict[tuple, dict[str, float]] = defaultdict(dict)
    for run in evidence.completed_runs():
        if run.record.method in ("vera", "randlora"):
            config = yaml.safe_load((run.path / "config.yaml").read_text(encoding="utf-8"))
            head = config["method"].pop("head", None) or "trained"
            key = (run.record.method, run.record.task, run.record.seed, run.record.backbone, yaml.safe_dump(config))
            pairs[key][head] = 100 * run.record.best["value"]
    rows = [(*key[:3], p["trained"], p["frozen"], p["trained"] - p["frozen"]) for key, p in pairs.items() if len(p) > 1]
    if not rows:
        raise Missing("It needs runs with the head trained and frozen, otherwise equal.", _RUNS)
    by_method = {method: fmean(row[5] for row in rows if row[0] == method) for method in sorted({r[0] for r in rows})}
    return Finding(
        verdict(all(abs(loss) < 0.5 for loss in by_method.values())),
        f"Over {len(rows)} pairs of runs that differ only in the head, a frozen head costs "
        + " and ".join(f"{method} {loss:.1f} points" for method, loss in by_method.items())
        + " of accuracy (best epoch, mean over the pairs), at our scale and on the tasks listed. The rule here: less"
        " than half a point is no cost.",
        ("method", "task", "seed", "head trained", "head frozen", "difference"),
        tuple(sorted(rows)),
    )


CLAIMS = (
    Claim(
        "vera-head",
        "VeRA's row of Table 2 has a trained classification head, as FRoD's has.",
        "implied by the comparison in Table 2; image_classification/clip_vit_peft.py",
        lambda evidence: _optimized(evidence, "vera"),
        code=True,
    ),
    Claim(
        "randlora-head",
        "RandLoRA's row of Table 2 has a trained classification head and trains all of the adapter.",
        "implied by the comparison in Table 2; image_classification/clip_vit_peft.py",
        lambda evidence: _optimized(evidence, "randlora"),
        code=True,
    ),
    Claim(
        "head-cost",
        "A head that is not trained costs these two baselines nothing.",
        "what a reader of Table 2 has to assume; image_classification/clip_vit_peft.py",
        _cost,
    ),
    Claim(
        "all-methods-run",
        "The released image script trains every method that it offers.",
        "image_classification/clip_vit_peft.py",
        _optimizers,
        code=True,
    ),
)
