"""Choose the answer that the language model finds most likely: a check that generates nothing."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from frod_bench.errors import Diverged
from frod_bench.tasks.base import Prediction


class Likelihood:
    """Predict the response with the highest log-likelihood, divided by its tokens with `per_token`.

    `responses` holds the complete responses of each task; predictions and batches are as in `generation.Generation`.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, responses: Sequence[Sequence[str]], per_token: bool):
        self._tokens = [
            [tokenizer(response, add_special_tokens=False)["input_ids"] for response in task] for task in responses
        ]
        self._per_token = per_token

    @torch.no_grad()
    def __call__(self, model: nn.Module, batch: dict[str, Tensor]) -> list[Prediction]:
        """Return the prediction of every row. Raises Diverged when the model's outputs are not finite."""
        predictions = [Prediction(0)] * len(batch["task"])
        # processes that share the weights (train.shard) must call the model equally often
        together = getattr(model, "_is_fsdp_managed_module", False)
        first = 0
        for task, responses in enumerate(self._tokens):
            rows = (batch["task"] == task).nonzero().squeeze(1)
            if len(rows) or together:
                asked = rows if len(rows) else slice(1)
                scores = self._scores(model, batch["input_ids"][asked], batch["attention_mask"][asked], responses)
                if not scores.isfinite().all():
                    raise Diverged(
                        "The model's outputs in evaluation are not finite. Lower the learning rates (train.lr)."
                    )
                for row, of_row in zip(rows.tolist(), scores[: len(rows)], strict=True):
                    predictions[row] = Prediction(first + int(of_row.argmax()), of_row.tolist())
            first += len(responses)
        return predictions

    def _scores(self, model: nn.Module, prompts: Tensor, mask: Tensor, responses: list[list[int]]) -> Tensor:
        """Return the log-likelihoods [rows, responses] after left-padded prompts [rows, length].

        The prompts are read once; every response continues from their cache.
        """
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        read = model(input_ids=prompts, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1)
        cache, after_prompt = read.past_key_values, read.logits
        columns = []
        for response in responses:
            tokens = prompts.new_tensor(response).expand(len(prompts), -1)
            following = model(
                input_ids=tokens,
                attention_mask=torch.cat([mask, torch.ones_like(tokens)], 1),
                position_ids=positions[:, -1:] + 1 + torch.arange(len(response), device=tokens.device),
                past_key_values=cache,
                use_cache=True,
            ).logits
            cache.crop(-len(response))
            logits = torch.cat([after_prompt, following[:, :-1]], 1).float()
            likely = logits.log_softmax(-1).gather(2, tokens.unsqueeze(-1)).squeeze(-1).sum(1)
            columns.append(likely / len(response) if self._per_token else likely)
        return torch.stack(columns, 1)
