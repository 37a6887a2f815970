"""A model of one's own from a directory: a run, the same run again, its export, and what is refused."""

import json
import re
import shutil

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertModel,
    ResNetConfig,
    ResNetForImageClassification,
    RobertaConfig,
    RobertaModel,
    ViTConfig,
    ViTForImageClassification,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from frod_bench.backbones.own import OwnText
from frod_bench.backbones.tiny import TinyBackbone
from frod_bench.plain_yaml import read_mapping

TEXT = ("backbone=own/text", "task=glue/sst2", "method=lora", "text.max_length=32")
IMAGES = ("backbone=own/images", "task=vision/digits", "method=lora")


def save_text_model(directory, kind=DistilBertModel, seed=0):
    tokenizer = TinyBackbone("t", "roberta", {"max_position_embeddings": 66}, [], []).processor()
    tokenizer.model_max_length = int(1e30)  # as where the tokenizer does not know its model
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    tokenizer.save_pretrained(directory)
    words = {"vocab_size": len(tokenizer), "pad_token_id": 1, "max_position_embeddings": 64}
    torch.manual_seed(seed)
    if kind is DistilBertModel:
        kind(DistilBertConfig(**words, dim=16, n_layers=2, n_heads=2, hidden_dim=32)).save_pretrained(directory)
    else:
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        kind(RobertaConfig(**words, **sizes)).save_pretrained(directory)
    return directory


@pytest.fixture
def distil(tmp_path):
    return save_text_model(tmp_path / "distil")


@pytest.fixture
def vit(tmp_path):
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    model = ViTForImageClassification(ViTConfig(**sizes, image_size=8, patch_size=4, num_labels=5))
    model.save_pretrained(tmp_path / "vit")
    ViTImageProcessorPil(size={"height": 8, "width": 8}).save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


def runs(tmp_path):
    return sorted(file.parent for file in (tmp_path / "outputs").rglob("record.json"))


def test_a_run_prints_its_parts_and_is_skipped_wherever_the_model_lies(distil, smoke, tmp_path, monkeypatch):
    code, out, err = smoke(*TEXT, f"backbone.id={distil}")
    assert code == 0, err
    assert (
        "distil: targets: q_lin, k_lin, v_lin, out_lin, lin1, lin2 (12 layers); head: pre_classifier, classifier\n"
    ) in out
    shutil.copytree(distil, tmp_path / "copy")
    monkeypatch.chdir(tmp_path)
    for place in (distil, "copy", "./copy"):
        code, out, _ = smoke(*TEXT, f"backbone.id={place}")
        assert code == 0 and "complete already" in out
    save_text_model(tmp_path / "copy", seed=1)
    code, out, _ = smoke(*TEXT, "backbone.id=copy")
    assert code == 0 and "complete already" not in out and len(runs(tmp_path)) == 2


def test_the_configuration_keeps_what_was_found_and_is_enough_to_export(distil, smoke, bench, tmp_path):
    assert smoke(*TEXT, f"backbone.id={distil}")[0] == 0
    (run,) = runs(tmp_path)
    backbone = read_mapping(run / "config.yaml")["backbone"]
    assert (backbone["id"], backbone["path"]) == (None, str(distil))
    assert backbone["found"]["head"] == ["pre_classifier", "classifier"]
    settings = json.loads((run / "record.json").read_text())["settings"]
    assert not any(str(tmp_path) in str(value) for value in settings.values())
    code, _, err = bench("export", str(run), "--format", "merged", "--to", str(tmp_path / "merged"))
    assert code == 0, err
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged")
    assert type(model).__name__ == "DistilBertForSequenceClassification" and model.num_labels == 2
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged")
    assert model(**tokenizer("good", return_tensors="pt")).logits.shape == (1, 2)
    (distil / "config.json").write_text((distil / "config.json").read_text() + "\n")
    code, _, err = bench("export", str(run), "--format", "merged", "--to", str(tmp_path / "again"))
    assert code == 2 and "have changed since the run began" in err


def test_an_image_model_reads_images_as_its_own_processor_does(vit, smoke, tmp_path):
    code, out, err = smoke(*IMAGES, f"backbone.id={vit}")
    assert code == 0, err
    assert "vit: targets: q_proj, k_proj, v_proj, o_proj, fc1, fc2 (12 layers); head: classifier\n" in out


def test_a_forecast_reads_the_shapes_in_the_directory(distil, vit, bench):
    code, out, err = bench("plan", "method=frod", "task=glue/sst2", "profile=smoke", TEXT[0], f"backbone.id={distil}")
    assert code == 0, err
    assert "profile smoke" in out and "1 of 1 runs missing" in out and "memory in GiB" in out
    words = ("task=vision/digits", "profile=smoke", IMAGES[0])
    assert bench("plan", "method=lora", *words, f"backbone.id={vit}")[0] == 0
    config = json.loads((vit / "config.json").read_text())
    (vit / "config.json").write_text(json.dumps(config | {"model_type": "swin"}))
    code, _, err = bench("plan", "method=lora", *words, f"backbone.id={vit}")
    assert code == 2 and "The shapes of own/images are not known" in err


def test_bases_are_stored_for_the_layers_that_a_run_finds(distil, bench, smoke):
    code, out, err = bench("decompose", str(distil), "--backbone", "own/text")
    assert code == 0, err
    assert sum("2 layers, largest relative error" in line for line in out.splitlines()) == 6


def test_a_tokenizer_fits_its_model(tmp_path):
    directory = save_text_model(tmp_path / "roberta", RobertaModel)
    tokenizer = OwnText("own/text", None, "auto", "auto", path=str(directory)).processor()
    assert tokenizer.model_max_length == 62  # 64 positions, of which two lie before the first token
    assert tokenizer("a").keys() >= {"input_ids", "token_type_ids"}
    plain = OwnText("own/text", None, "auto", "auto", path=str(save_text_model(tmp_path / "distil"))).processor()
    assert plain.model_max_length == 64 and set(plain("a")) == {"input_ids", "attention_mask"}


def test_what_the_checkpoint_holds_of_the_head_is_kept_and_the_rest_drawn(tmp_path, distil):
    own = OwnText("own/text", None, "auto", "auto", path=str(distil))
    own.build(3, seed=0).save_pretrained(distil)
    model, other = (OwnText("own/text", None, "auto", "auto", path=str(distil)).build(2, seed) for seed in (1, 2))
    saved = AutoModelForSequenceClassification.from_pretrained(distil)
    assert torch.equal(model.pre_classifier.weight, saved.pre_classifier.weight)
    assert torch.equal(model.pre_classifier.weight, other.pre_classifier.weight)
    assert model.classifier.weight.shape == (2, 16) and not torch.equal(
        model.classifier.weight, other.classifier.weight
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"backbone=own/text needs a model: add backbone\.id=NAME"),
        (["backbone.id=./nowhere"], "There is no model directory"),
        (["backbone.id=7"], r"backbone\.id=7 is not accepted"),
        (["backbone.id={folder}/empty"], r"no model\*\.safetensors"),
        (
            ["backbone.id=someone/some-model"],
            r"some-model is no directory .* Type backbone\.id=DIR",
        ),
        (["backbone.id={folder}/distil", "backbone.targets=[]"], r"backbone\.targets=\[\] is not accepted"),
        (["backbone.id={folder}/distil", "backbone.head=[score]"], "backbone.head: the model has no module 'score'"),
        (["backbone.id={folder}/distil", "backbone.head=[pre_classifier]"], r"leaves out classifier, whose size"),
        (["backbone.id={folder}/distil", "backbone.targets=[q_lim]"], "has no module 'q_lim'. Did you mean q_lin"),
        (["backbone.id={folder}/distil", "text.max_length=65"], r"text\.max_length=65 is not accepted: .* to 64"),
        (
            ["backbone=own/images", "task=vision/digits", "backbone.id={folder}/distil"],
            r"lacks a description of its pre",
        ),
        (["backbone=minilm", "backbone.targets=auto"], r"backbone\.targets=auto is not accepted"),
    ],
)
def test_a_wrong_request_says_what_to_type(words, message, distil, smoke, tmp_path):
    (tmp_path / "empty").mkdir()
    words = [word.format(folder=tmp_path) for word in words]
    own = TEXT[1:] if any(word.startswith("backbone=") for word in words) else TEXT
    own = own[1:2] if "task=vision/digits" in words else own
    code, _, err = smoke(*own, *words)
    assert code == 2
    assert re.search(message, err), err


def set_config(directory, **values):
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | values))


def test_a_model_that_needs_code_of_its_own_is_refused(distil, smoke, tmp_path):
    (distil / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    set_config(distil, model_type="mine", auto_map={"AutoModelForSequenceClassification": "mine.Model"})
    code, _, err = smoke(*TEXT, f"backbone.id={distil}")
    assert code == 2 and "needs code of its own" in err and not (tmp_path / "ran").exists()


def test_code_that_is_passed_over_is_named(distil, smoke, tmp_path):
    (distil / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    set_config(distil, auto_map={"AutoModelForSequenceClassification": "mine.Model"})
    code, out, err = smoke(*TEXT, f"backbone.id={distil}")
    assert code == 0, err
    assert "note: the code that config.json names is not run; transformers' own distilbert is used" in out
    assert not (tmp_path / "ran").exists()


def test_image_models_that_cannot_be_adapted_or_read_no_rgb(vit, smoke, tmp_path):
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ResNetForImageClassification(config).save_pretrained(tmp_path / "resnet")
    shutil.copy(vit / "preprocessor_config.json", tmp_path / "resnet")
    code, _, err = smoke(*IMAGES, f"backbone.id={tmp_path / 'resnet'}")
    assert code == 2 and "ResNetForImageClassification has no linear layer but its classifier" in err
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = ViTConfig(**sizes, image_size=8, patch_size=4, num_channels=1)
    ViTForImageClassification(config).save_pretrained(vit)
    code, _, err = smoke(*IMAGES, f"backbone.id={vit}")
    assert code == 2 and "takes images of 1 channels (num_channels in config.json); accepted: 3" in err


def test_runs_on_copies_of_one_model_are_of_one_base(distil, smoke, bench, tmp_path):
    shutil.copytree(distil, tmp_path / "copy")
    for folder, task in ((distil, "glue/sst2"), (tmp_path / "copy", "glue/rte")):
        code, _, err = smoke(*TEXT, f"backbone.id={folder}", f"task={task}", "data.max_eval=8")
        assert code == 0, err
    folders = [str(folder) for folder in runs(tmp_path)]
    code, _, err = bench("merge", *folders, "--how", "average", "--to", str(tmp_path / "merged"))
    assert code == 0, err
    save_text_model(tmp_path / "copy", seed=1)
    code, _, err = smoke(*TEXT, f"backbone.id={tmp_path / 'copy'}", "task=glue/cola", "data.max_eval=8")
    assert code == 0, err
    other = next(str(folder) for folder in runs(tmp_path) if "cola" in str(folder))
    code, _, err = bench("merge", folders[0], other, "--how", "average", "--to", str(tmp_path / "other"))
    assert code == 2 and "starts from other weights" in err
