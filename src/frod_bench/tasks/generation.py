"""Generate answers with a language model and match them with the answers of each row's task."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    PreTrainedTokenizerBase,
    StoppingCriteria,
)

from frod_bench.errors import Diverged
from frod_bench.tasks.answers import UNMATCHED, first_answer
from frod_bench.tasks.base import Prediction

MAX_NEW_TOKENS = 32  # as in LLM-Adapters


class Generation:
    """Predict by greedy search, which stops for a row as soon as its text holds an answer, or by beam search.

    Beams run to their end or to `MAX_NEW_TOKENS`, since the tokens after an answer decide which beam wins. A text is
    read up to `marker`, the words between a prompt and its answer, as in LLM-Adapters: a model that repeats them has
    started to make up the next question.

    `answers` holds the answers of each task. A prediction is an index into all of them concatenated, or `UNMATCHED`.
    Batches hold left-padded prompts and the number of each row's task.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, answers: Sequence[Sequence[str]], beams: int, marker: str = ""
    ):
        self._tokenizer, self._answers, self._beams, self._marker = tokenizer, answers, beams, marker

    def __call__(self, model: nn.Module, batch: dict[str, Tensor]) -> list[Prediction]:
        """Return the prediction of every row. Raises Diverged when the model's outputs are not finite."""
        prompts, tasks = batch["input_ids"], batch["task"].tolist()
        until = [_Answered(self, prompts.shape[1], tasks)] if self._beams == 1 else []
        generate: Any = model.generate  # transformers declares it for its own models
        output = generate(
            input_ids=prompts,
            attention_mask=batch["attention_mask"],
            generation_config=self._config(),
            logits_processor=[_OnlyFinite()],
            stopping_criteria=until,
        )
        return self.match(output[:, prompts.shape[1] :], tasks)

    def match(self, generated: Tensor, tasks: Sequence[int]) -> list[Prediction]:
        """Return the prediction of every row of `generated` [rows, tokens], with its text."""
        texts = self._tokenizer.batch_decode(generated, skip_special_tokens=True)
        if self._marker:
            texts = [text.partition(self._marker)[0] for text in texts]
        return [Prediction(self._answer(text, task), text=text) for text, task in zip(texts, tasks, strict=True)]

    def _answer(self, text: str, task: int) -> int:
        answer = first_answer(text, self._answers[task])
        return UNMATCHED if answer == UNMATCHED else sum(map(len, self._answers[:task])) + answer

    def _config(self) -> GenerationConfig:
        return GenerationConfig(
            do_sample=False,
            num_beams=self._beams,
            max_new_tokens=MAX_NEW_TOKENS,
            pad_token_id=self._tokenizer.pad_token_id,
            eos_token_id=self._tokenizer.eos_token_id,
            bos_token_id=self._tokenizer.bos_token_id,
        )


class _Answered(StoppingCriteria):
    """Stop a row whose text holds an answer, which later tokens cannot change."""

    def __init__(self, generation: Generation, prompt_length: int, tasks: Sequence[int]):
        self._generation, self._start, self._tasks = generation, prompt_length, tasks

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        found = self._generation.match(input_ids[:, self._start :], self._tasks)
        return torch.tensor([row.answer != UNMATCHED for row in found], device=input_ids.device)


class _OnlyFinite(LogitsProcessor):
    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if not scores.isfinite().all():
            raise Diverged("The model's outputs in evaluation are not finite. Lower the learning rates (train.lr).")
        return scores
