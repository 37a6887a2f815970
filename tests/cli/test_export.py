"""`frod-bench export`: what a run has trained, loaded again by PEFT and by transformers."""

import json
import re
import shutil

import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    pipeline,
)

from frod_bench import load_run
from frod_bench.cli import run_command
from frod_bench.methods import load_adapter
from frod_bench.record import RunDirectory

RUN = ["task=glue/rte", "profile=smoke", "train.epochs=1"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a finished run of FRoD in PEFT's basis and one of LoRA."""
    folder = tmp_path_factory.mktemp("runs")
    for method in (["method=frod", "method.basis=peft"], ["method=lora"]):
        assert run_command([*method, *RUN, f"out={folder / method[0].partition('=')[2]}"]) == 0
    return folder


EDITS = {
    "malformed": "{",
    "list": "[1]",
    "null": "null",
    "not UTF-8": b"\xff\xfe",
    "deep": "[" * 10**5,
    "large": " " * (2**24 + 1),
    "a number in the head": {"head": [5]},
    "a text for the head": {"head": "classifier"},
    "a number in the targets": {"targets": [3, "query"]},
    "a negative seed": {"seed": -1},
    "a large seed": {"seed": 10**30},
    "a truth for a seed": {"seed": True},
    "another method": {"method": "os.path"},
    "no method": {"method": "checkpoint"},
    "a list of options": {"options": [1]},
    "a large rank": {"options": {"rank": 10**9}},
    "another kind of rank": {"options": {"rank": "x"}},
    "an option that is none": {"options": {"name": 1}},
    "of PEFT": {"peft_type": "FROD"},
    "of PEFT, a list": {"peft_type": [1]},
    "of PEFT, edited": {"peft_type": "FROD", "target_modules": ["query"], "sparse_rate": "x"},
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_adapter_that_was_edited(runs, edit, tmp_path, capsys):
    run = shutil.copytree(runs / "lora", tmp_path / "run")
    (run / "record.json").unlink()  # which holds the checksums of the files
    file = run / "adapter/adapter_config.json"
    if isinstance(edit, dict):
        edit = json.dumps(json.loads(file.read_text()) | edit)
    file.write_bytes(edit if isinstance(edit, bytes) else edit.encode())
    capsys.readouterr()
    assert run_command(["export", str(run), "--to", str(tmp_path / "there")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("frod-bench: ") and "Traceback" not in err and len(err.splitlines()) == 1
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("place", ["file.txt", "file.txt/below"])
def test_a_place_that_is_no_folder(runs, place, tmp_path, capsys):
    (tmp_path / "file.txt").write_text("mine")
    assert run_command(["export", str(runs / "lora"), "--to", str(tmp_path / place)]) == 2
    assert re.search(r"file\.txt\S* (is no folder to write to|cannot be written) .*Give a", capsys.readouterr().err)
    assert (tmp_path / "file.txt").read_text() == "mine"


def base_and_trained(run):
    from hydra.utils import instantiate

    backbone = instantiate(yaml.safe_load((run / "config.yaml").read_text())["backbone"])
    trained = backbone.build(2, 0)
    load_adapter(trained, run / "adapter")
    return (
        backbone.build(2, 0),
        trained.eval(),
        backbone.processor()(["a text", "b"], padding=True, return_tensors="pt"),
    )


def logits(model, batch):
    with torch.no_grad():
        return model.eval()(**batch).logits


@pytest.mark.parametrize("method", ["frod", "lora"])
def test_both_forms_compute_what_was_trained(runs, method, tmp_path, capsys):
    base, trained, batch = base_and_trained(runs / method)
    start, expected = logits(base, batch), logits(trained, batch)
    assert not torch.allclose(start, expected, atol=1e-3)
    for form in ("peft", "merged"):
        assert run_command(["export", str(runs / method), "--format", form, "--to", str(tmp_path / form)]) == 0
        assert str(tmp_path / form) in capsys.readouterr().out
    merged = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(logits(merged, batch), expected, rtol=1e-5, atol=1e-5)
    theirs = PeftModel.from_pretrained(base, tmp_path / "peft")
    torch.testing.assert_close(logits(theirs, batch), expected, rtol=1e-5, atol=1e-5)
    for form in ("peft", "merged"):
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / form)
        assert tokenizer(["a text", "b"], padding=True).input_ids == batch["input_ids"].tolist()
        assert AutoConfig.from_pretrained(tmp_path / form).id2label == {0: "entailment", 1: "not_entailment"}
    (found,) = pipeline("text-classification", model=str(tmp_path / "merged"))([{"text": "a text", "text_pair": "b"}])
    assert found["label"] in ("entailment", "not_entailment")


def test_the_card_has_the_score_and_its_interval(runs, tmp_path):
    record = RunDirectory(runs / "lora").read_record()
    for form, library in (("peft", "peft"), ("merged", "transformers")):
        assert run_command(["export", str(runs / "lora"), "--format", form, "--to", str(tmp_path / form)]) == 0
        card = ModelCard.load(tmp_path / form / "README.md", ignore_metadata_errors=False)
        assert (card.data.library_name, card.data.pipeline_tag) == (library, "text-classification")
        (result,) = card.data.eval_results
        assert (result.metric_type, result.metric_value) == ("accuracy", record.selected["value"])
        assert (result.dataset_type, result.dataset_config) == ("generated", "rte")  # the rows of a smoke run
        low, high = map(float, re.search(r"interval ([\d.]+) to ([\d.]+)", result.metric_name).groups())
        assert 0 <= low < record.selected["value"] < high <= 1
        assert "Classes: entailment, not_entailment." in card.text.replace("\\", "")
        assert "made-up rows" in card.text


def test_the_base_model_is_named(runs, tmp_path, monkeypatch):
    from frod_bench.backbones.tiny import TinyBackbone

    on_hub = {"source": "hub", "id": "somebody/a-model", "revision": "0123456789"}
    monkeypatch.setattr(TinyBackbone, "provenance", lambda self: on_hub)
    assert run_command(["export", str(runs / "lora"), "--to", str(tmp_path / "peft")]) == 0
    config = json.loads((tmp_path / "peft/adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("somebody/a-model", "0123456789")
    card = ModelCard.load(tmp_path / "peft/README.md")
    assert card.data.base_model == "somebody/a-model"
    assert "from_pretrained('somebody/a-model', revision='0123456789', config=config)" in card.text


def test_an_image_model_loads_with_plain_transformers(tmp_path, monkeypatch):
    run, to = tmp_path / "run", tmp_path / "merged"
    small = ["profile=smoke", "train.epochs=1", "data.max_train=16", "data.max_eval=8"]
    assert run_command(["task=vision/svhn", "method=lora", *small, f"out={run}"]) == 0
    assert run_command(["export", str(run), "--format", "merged", "--to", str(to)]) == 0
    assert ModelCard.load(to / "README.md").data.library_name == "transformers"
    ours = load_run(run)
    image = Image.effect_noise((40, 32), 80).convert("RGB")
    processed = AutoImageProcessor.from_pretrained(to)(image, return_tensors="pt")["pixel_values"]
    pixels = ours.processor.normalise(torch.from_numpy(ours.processor.resize(image)[None].copy()))
    assert (pixels - processed).abs().mean() < 0.05  # libraries resize a little differently
    expected = logits(ours.model, {"pixel_values": pixels})
    model = AutoModelForImageClassification.from_pretrained(to)
    torch.testing.assert_close(logits(model, {"pixel_values": pixels}), expected, rtol=1e-5, atol=1e-5)
    found = pipeline("image-classification", model=str(to))(image)
    assert {each["label"] for each in found} <= set(ours.classes)

    monkeypatch.setattr("frod_bench.runs.export.to_hugging_face", lambda model: None)  # as for a head from texts
    assert run_command(["export", str(run), "--format", "merged", "--to", str(tmp_path / "tensors")]) == 0
    card = ModelCard.load(tmp_path / "tensors" / "README.md")
    assert card.data.library_name == "frod-bench" and 'load_run("RUN").model' in card.text
    assert load_file(tmp_path / "tensors" / "model.safetensors").keys() == model_names(ours)

    assert run_command(["export", str(run), "--format", "peft", "--to", str(tmp_path / "peft")]) == 0
    theirs = PeftModel.from_pretrained(ours.base(), tmp_path / "peft")
    torch.testing.assert_close(logits(theirs, {"pixel_values": pixels}), expected, rtol=1e-5, atol=1e-5)
    assert 'PeftModel.from_pretrained(load_run("RUN").base(), "DIR")' in (tmp_path / "peft/README.md").read_text()


def model_names(run):
    return run.base().state_dict().keys()


def test_a_frozen_head_goes_with_the_merged_model_only(tmp_path, capsys):
    run = tmp_path / "run"
    words = ["task=glue/rte", "method=vera", "method.head=frozen", "profile=smoke", "train.epochs=1"]
    assert run_command([*words, "data.max_train=16", f"out={run}"]) == 0
    assert run_command(["export", str(run), "--to", str(tmp_path / "peft")]) == 2
    assert "Type --format merged" in capsys.readouterr().err
    assert not (tmp_path / "peft").exists()
    assert run_command(["export", str(run), "--format", "merged", "--to", str(tmp_path / "merged")]) == 0
    _, trained, batch = base_and_trained(run)
    merged = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(logits(merged, batch), logits(trained, batch), rtol=1e-5, atol=1e-5)


def test_an_unfinished_run_is_said_to_be_one(runs, tmp_path, capsys):
    shutil.copytree(runs / "lora", tmp_path / "failed")
    run = RunDirectory(tmp_path / "failed")
    record = run.read_record()
    record.status, record.error = "failed", "The loss is NaN.\nMore."
    run.write_record(record)
    assert run_command(["export", str(run.path), "--to", str(tmp_path / "peft")]) == 0
    error = capsys.readouterr().err
    assert "not complete, its status is failed (The loss is NaN): the adapter is of epoch 1" in error


def test_what_cannot_be_exported_is_named(runs, tmp_path, capsys):
    def refused(run, to, word):
        assert run_command(["export", str(run), "--to", str(to)]) == 2
        error = capsys.readouterr().err
        assert word in error and "Traceback" not in error

    refused(tmp_path, tmp_path / "x", "config.yaml")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    refused(runs / "lora", tmp_path / "full", "not empty")
    shutil.copytree(runs / "lora", tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "adapter")
    refused(tmp_path / "bare", tmp_path / "x", "adapter")
    shutil.copytree(runs / "lora", tmp_path / "foreign")
    text = (tmp_path / "foreign" / "config.yaml").read_text()
    foreign = text.replace("frod_bench.backbones.tiny.TinyBackbone", "os.system")
    (tmp_path / "foreign" / "config.yaml").write_text(foreign)
    refused(tmp_path / "foreign", tmp_path / "x", "config.yaml was edited")
    (tmp_path / "foreign" / "record.json").unlink()
    refused(tmp_path / "foreign", tmp_path / "x", "os.system")
    shutil.copytree(runs / "lora", tmp_path / "damaged")
    weights = tmp_path / "damaged" / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    refused(tmp_path / "damaged", tmp_path / "x", "adapter_model.safetensors was edited")
