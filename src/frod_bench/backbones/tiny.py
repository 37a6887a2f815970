"""A backbone with random weights, built in milliseconds, for tests and smoke runs."""

import hashlib
import json
from dataclasses import dataclass, field

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from frod_bench.backbones.base import renew_head, require_generator, seeded
from frod_bench.backbones.skeleton import make_skeleton

BODY_SEED = 0
SPECIAL = {
    "bos_token": "<s>",
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}


@dataclass
class TinyBackbone:
    """A randomly initialised model of the library's `model_type` with the configuration values `architecture`.

    The body is the same for every seed, like pretrained weights. The tokenizer maps each byte to one token and frames
    sequences as RoBERTa does, without the end token if `ends_text` is false. `facts` is for listings.
    """

    name: str
    model_type: str
    architecture: dict
    targets: list[str]
    head: list[str]
    ends_text: bool = True
    facts: dict = field(default_factory=dict)

    def processor(self) -> PreTrainedTokenizerBase:
        """Return a byte-level tokenizer with the special tokens of RoBERTa, which can encode any text."""
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        vocabulary = {token: index for index, token in enumerate([*SPECIAL.values(), *alphabet])}
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token=SPECIAL["unk_token"]))
        tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL.values()])
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        start, end = ((token, vocabulary[token]) for token in (SPECIAL["bos_token"], SPECIAL["eos_token"]))
        if self.ends_text:
            tokenizer.post_processor = processors.RobertaProcessing(end, start, add_prefix_space=False)
        else:
            tokenizer.post_processor = processors.TemplateProcessing(single=f"{start[0]} $A", special_tokens=[start])
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            cls_token=SPECIAL["bos_token"],
            sep_token=SPECIAL["eos_token"],
            clean_up_tokenization_spaces=False,
            model_max_length=self.architecture["max_position_embeddings"] - 2,  # RoBERTa's positions begin at 2
            model_input_names=["input_ids", "attention_mask"],
            **SPECIAL,
        )

    def build(self, num_labels: int | None, seed: int) -> PreTrainedModel:
        """Return the classifier with a new head, or the language model; see `Backbone.build`."""
        tokenizer = self.processor()
        config = AutoConfig.for_model(
            self.model_type,
            **self.architecture,
            vocab_size=len(tokenizer),
            bos_token_id=tokenizer.bos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            **({} if num_labels is None else {"num_labels": num_labels}),
        )
        if num_labels is None:
            require_generator(config)
        auto = AutoModelForCausalLM if num_labels is None else AutoModelForSequenceClassification
        with seeded(BODY_SEED):
            model = auto.from_config(config, dtype=torch.float32, trust_remote_code=False)
        if num_labels is not None:
            renew_head(model, self.head, seed)
        return model.eval()

    def skeleton(self, num_labels: int | None, layers: int) -> PreTrainedModel:
        """Return a model of `layers` blocks with random values; see `Backbone.skeleton`."""
        vocabulary = {"vocab_size": len(self.processor())}
        return make_skeleton({"model_type": self.model_type, **self.architecture, **vocabulary}, num_labels, layers)

    def provenance(self) -> dict:
        """Return the sha256 of what determines the weights: the architecture and the seed of the body."""
        recipe = json.dumps([self.model_type, self.architecture, BODY_SEED], sort_keys=True)
        digest = hashlib.sha256(recipe.encode()).hexdigest()
        return {"source": "random", "id": self.name, "fingerprint": digest}
