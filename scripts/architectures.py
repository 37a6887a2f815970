"""Which methods fit which architectures of transformers: every method is attached to a tiny random model of each.

    python scripts/architectures.py [--to results/tables] [--architectures bert,gpt2] [--methods frod,lora]

The target layers and the head are those that `backbone=own/text` and `own/images` find. A cell says `ok` if, in float32
on a CPU, the adapted model starts as the base to the error that the method states, a saved adapter gives the same
outputs on a fresh model, the merged model computes what the adapted one does, and `PeftModel` computes the same from a
checkpoint in PEFT's format; the last two where the method has them. Otherwise it gives the reason of the refusal, or
what went wrong.
"""

import argparse
import copy
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from peft import PeftModel
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForImageClassification, AutoModelForSequenceClassification
from transformers.pytorch_utils import Conv1D

from frod_bench.backbones.base import seeded, silence_transformers
from frod_bench.backbones.parts import find_parts
from frod_bench.errors import RequestError
from frod_bench.files import save_text
from frod_bench.methods import attach, load_adapter, make_method, method_names
from frod_bench.methods.support.adapted import Adapted
from frod_bench.report.table import table_of_records, to_csv, to_markdown

_TEXT = {"vocab_size": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
_VIT = _BERT | {"image_size": 8, "patch_size": 4}
_T5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2, "dropout_rate": 0.0}
_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 16}
_SWIN = {"image_size": 8, "patch_size": 2, "embed_dim": 16, "depths": [1, 1], "num_heads": [1, 2], "window_size": 2}
# architecture: the values of its configuration
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "bert": _TEXT | _BERT,
    "distilbert": _TEXT | {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "deberta-v2": _TEXT | _BERT | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "modernbert": _TEXT | _BERT | {"cls_token_id": 1, "sep_token_id": 2},
    "albert": _TEXT | _BERT | {"embedding_size": 16},
    "gpt2": _TEXT | _GPT2,
    "qwen2": _TEXT | _BERT | {"num_key_value_heads": 1},
    "llama": _TEXT | _BERT | {"num_key_value_heads": 1},
    "t5": _TEXT | _T5 | {"decoder_start_token_id": 0},
    "vit": _VIT,
    "deit": _VIT | {"architectures": ["DeiTForImageClassification"]},
    "swin": _SWIN,
    "convnext": {"hidden_sizes": [16, 32], "depths": [1, 1], "num_stages": 2, "image_size": 16, "patch_size": 2},
    "clip": {"vision_config": _VIT, "text_config": {"num_hidden_layers": 1}},
}
_CLASSES = 3
_DEPTH = 5  # layers amplify each other's errors; see tests/methods/test_contract.py
_ROUNDING = 1e-4  # of a merged weight, relative to the outputs
_STEPS, _RATE = 3, 1e-2


class Example(NamedTuple):
    """A way to build one tiny model, the same every time; its parts, and a batch for it."""

    build: Callable[[], nn.Module]
    targets: list[str]
    head: list[str]
    layers: int
    batch: dict[str, Tensor]


def example(name: str) -> Example:
    """Return the tiny model of an architecture."""

    def build(classes: int = _CLASSES) -> nn.Module:
        with silence_transformers(), seeded(0):
            values = copy.deepcopy(ARCHITECTURES[name])
            config = AutoConfig.for_model(name, num_labels=classes, **values)
            images = type(config) in transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING
            auto = AutoModelForImageClassification if images else AutoModelForSequenceClassification
            model = auto.from_config(config, trust_remote_code=False).eval()
            for module in model.modules():  # the initial scale of 0.02 hides what adapters do
                if isinstance(module, nn.Linear | Conv1D):
                    module.weight.data.normal_(std=module.weight.shape[1] ** -0.5)
                if isinstance(module, nn.Dropout):
                    module.p = 0.0
        return model

    parts = find_parts(build(2), build(3), [name for name, _ in build().named_parameters()])
    generator = torch.Generator().manual_seed(0)
    if build().main_input_name == "pixel_values":
        size = ARCHITECTURES[name].get("image_size", _VIT["image_size"])
        batch = {"pixel_values": torch.randn(4, 3, size, size, generator=generator)}
    else:
        ids = torch.randint(5, 60, (4, 9), generator=generator)
        ids[:, -1] = _TEXT["eos_token_id"]  # T5 reads its end token
        batch = {"input_ids": ids}
    return Example(build, parts.targets, parts.head, parts.layers, batch | {"labels": torch.tensor([0, 1, 2, 0])})


def check(one: Example, method: str, folder: Path) -> str:
    """Return `ok`, the reason why a method refuses a model, or what goes wrong with it."""
    try:
        return _problem(one, method, folder) or "ok"
    except RequestError as error:
        return f"refused: {error}"


def _problem(one: Example, method: str, folder: Path) -> str | None:
    made, base, adapted = make_method(method), _outputs(one.build(), one), _attached(one, method)
    if (error := _difference(_outputs(adapted.model, one), base)) > _DEPTH * made.start_error:
        return f"starts {error:.1g} away from the base"
    _train(adapted, one)
    trained = _outputs(adapted.model, one)
    if _difference(trained, base) < _ROUNDING:
        return "training changes nothing"
    adapted.save(folder / "own")
    fresh = one.build()
    load_adapter(fresh, folder / "own")
    if not torch.equal(_outputs(fresh, one), trained):
        return "a loaded adapter gives other outputs"
    quantised = _DEPTH * made.start_error  # PeftModel reads the base as it is
    if (error := _difference(_from_peft(adapted, one, folder / "peft"), trained)) > max(_ROUNDING, quantised):
        return f"PeftModel is {error:.1g} away"
    if made.merges:
        plain = adapted.merge()
        if [type(m) for m in plain.modules()] != [type(m) for m in one.build().modules()]:
            return "the merged model has other modules"
        if (error := _difference(_outputs(plain, one), trained)) > _ROUNDING:
            return f"the merged model is {error:.1g} away"
    return None


def _attached(one: Example, method: str) -> Adapted:
    return attach(one.build(), method, targets=one.targets, head=one.head)


def _from_peft(adapted: Adapted, one: Example, folder: Path) -> Tensor:
    """Return the outputs of `PeftModel`, or those of the adapter itself where PEFT has no such method."""
    try:
        adapted.save(folder, format="peft")
    except RequestError:
        return _outputs(adapted.model, one)
    return _outputs(PeftModel.from_pretrained(one.build(), str(folder)), one)


@torch.no_grad()
def _outputs(model: nn.Module, one: Example) -> Tensor:
    return model.eval()(**one.batch).logits


def _difference(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


def _train(adapted: Adapted, one: Example) -> None:
    adapted.model.train()
    optimizer = torch.optim.AdamW([p for p in adapted.model.parameters() if p.requires_grad], lr=_RATE)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        (adapted.model(**one.batch).loss + adapted.auxiliary_loss()).backward()
        optimizer.step()


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path("results/tables"), help="default: results/tables")
    parser.add_argument("--architectures", default=",".join(ARCHITECTURES))
    parser.add_argument("--methods", default=",".join(method_names()))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of PEFT and transformers, on what is checked here
    rows = []
    for name in arguments.architectures.split(","):
        one = example(name)
        row = {"architecture": name, "targets": ", ".join(one.targets), "head": ", ".join(one.head)}
        for method in arguments.methods.split(","):
            with tempfile.TemporaryDirectory() as folder:
                row[method] = check(one, method, Path(folder))
        print(row, flush=True)
        rows.append(row)
    table = table_of_records(rows, str)
    note = (__doc__ or "").strip().split("\n\n")[2]
    page = (
        f"# Methods and architectures\n\n{note}\n\nMade by `python scripts/architectures.py`.\n\n{to_markdown(table)}\n"
    )
    save_text(arguments.to / "architectures.md", page)
    save_text(arguments.to / "architectures.csv", to_csv(table))


if __name__ == "__main__":
    main()
