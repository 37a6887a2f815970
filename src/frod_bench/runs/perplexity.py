"""What tuned language models have kept of text in general: their perplexity on passages, beside the base's."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from frod_bench.errors import RequestError
from frod_bench.record import weights_of
from frod_bench.record.perplexity_record import PerplexityRecord
from frod_bench.runs.complete import method_label
from frod_bench.runs.components import make_components
from frod_bench.runs.trained import TrainedRun
from frod_bench.tasks.passages import TASK, read_passages
from frod_bench.train.accelerator import make_accelerator
from frod_bench.train.batches import chunks

_TEXTS = 200  # unless data.max_eval says otherwise
_ROWS = 4  # of a batch, whose logits are as wide as the vocabulary


def measure_perplexity(
    runs: Sequence[TrainedRun], other: dict[str, Any], before: PerplexityRecord | None = None
) -> Iterator[PerplexityRecord]:
    """Yield the record after the base, and after every new run.

    `other` is the resolved configuration of the task whose passages are read, on the runs' backbone. Runs without the
    language-model head of the base are excluded, with the reason. Results of `before` are kept if they are of the same
    weights and texts. Raises RequestError for runs of different backbones or of that task, and if all are excluded.
    """
    components = make_components(other)
    backbone, device = components.backbone, make_accelerator(components.settings).device
    _check(runs, backbone.provenance())
    if all(run.classes is not None for run in runs):
        raise RequestError(f"No run there is of a language model: {_reason(runs[0])}. Train with protocol=paper.")
    texts = read_passages(components.task, components.source, other["data"]["max_eval"] or _TEXTS)
    most = other["text"]["max_length"]
    ids = [torch.tensor(row) for row in backbone.processor()(texts, truncation=True, max_length=most)["input_ids"]]
    ids = [row for row in ids if len(row) > 1]
    tokens = torch.tensor([len(row) - 1 for row in ids], dtype=torch.float64)
    base = backbone.build(None, other["seed"]).to(device)
    head = _head(base).detach().cpu().clone()
    losses = _losses(base, ids, device)
    del base
    record = PerplexityRecord(
        texts=len(ids),
        tokens=int(tokens.sum()),
        max_length=most,
        base=math.exp(losses.sum() / tokens.sum()),
        backbone=backbone.provenance(),
        data=components.source.provenance(),
        setting={"profile": other["profile"]["name"], "backbone": other["backbone"]["name"]},
    )
    known = {r["digest"]: r for r in before.results} if before is not None and _same(before, record) else {}
    yield record
    for run in runs:
        reason = _reason(run)
        if reason is None and run.record.digest in known:
            record.results.append(known[run.record.digest])
            continue
        if reason is None:
            model = run.adapted().model.to(device)
            reason = None if torch.equal(_head(model).cpu(), head) else "training changed its language-model head"
        if reason is not None:
            record.excluded.append(_who(run) | {"reason": reason})
            continue
        record.results.append(_result(run, _losses(model, ids, device), losses, tokens))
        yield record
    if not record.results:
        raise RequestError(f"No run there has the language-model head of its base: {record.excluded[0]['reason']}.")
    yield record


@torch.no_grad()
def _losses(model: nn.Module, ids: Sequence[Tensor], device: torch.device) -> Tensor:
    """Return the sum of the losses of each text's tokens, [texts] in float64; the first token is not predicted."""
    model.eval()
    found = torch.zeros(len(ids), dtype=torch.float64)
    order = sorted(range(len(ids)), key=lambda text: len(ids[text]))
    for texts in chunks(order, _ROWS):
        rows = nn.utils.rnn.pad_sequence([ids[text] for text in texts], batch_first=True).to(device)
        lengths = torch.tensor([len(ids[text]) for text in texts], device=device)
        real = torch.arange(rows.shape[1], device=device) < lengths[:, None]
        logits = model(input_ids=rows, attention_mask=real.long()).logits[:, :-1].float()
        loss = nn.functional.cross_entropy(logits.transpose(1, 2), rows[:, 1:], reduction="none")
        found[texts] = loss.double().masked_fill(~real[:, 1:], 0).sum(1).cpu()
    return found


def _result(run: TrainedRun, losses: Tensor, base: Tensor, tokens: Tensor) -> dict[str, Any]:
    """Return an entry of `PerplexityRecord.results`; the error is that of a ratio of sums over texts."""
    total, texts = tokens.sum(), len(tokens)
    change = (losses - base).sum() / total
    error = ((losses - base - change * tokens).square().sum() * texts / max(texts - 1, 1)).sqrt() / total
    scores = {"own": (run.record.selected or {})["value"], "perplexity": math.exp(losses.sum() / total)}
    return _who(run) | {"identity": run.record.identity} | scores | {"change": change.item(), "error": error.item()}


def _who(run: TrainedRun) -> dict[str, Any]:
    record = run.record
    method = method_label(record.method, record.settings)
    return {"trained_on": record.task, "method": method, "seed": record.seed, "digest": record.digest}


def _reason(run: TrainedRun) -> str | None:
    return None if run.classes is None else "a classifier replaced its language-model head"


def _head(model: nn.Module) -> Tensor:
    return model.get_output_embeddings().weight  # type: ignore[operator]  # every language model of transformers has it


def _check(runs: Sequence[TrainedRun], provenance: dict[str, Any]) -> None:
    for run in runs:
        if run.base_weights != weights_of(provenance):
            raise RequestError(
                f"{run.folder} starts from other weights than the first run: give runs of one backbone only."
            )
        if run.record.task == TASK:
            raise RequestError(f"{run.folder} was tuned on {TASK} itself, whose passages are the text.")


def _same(a: PerplexityRecord, b: PerplexityRecord) -> bool:
    keys = ("texts", "tokens", "max_length", "base", "backbone", "data", "setting")
    return all(getattr(a, key) == getattr(b, key) for key in keys)
