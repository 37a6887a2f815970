from contextlib import suppress

import pytest

from frod_bench.config import instantiate
from frod_bench.config.instantiate import build
from frod_bench.errors import RequestError

TINY = {"_target_": "frod_bench.backbones.tiny.TinyBackbone", "name": "x", "model_type": "roberta"}
TINY |= {"architecture": {}, "targets": ["query"], "head": ["classifier"]}


@pytest.mark.parametrize(
    "target",
    [
        *("os.system", "frod_bench.cli.run_command", "frod_bench.tasks.glue.GlueTask", "frod_benchx.backbones.a", 3),
        *("frod_bench.backbones.tiny.torch.load", "frod_bench.backbones.tiny.torch.hub.load"),
        *("frod_bench.backbones.gguf.shutil.copyfile", "frod_bench.backbones.gguf.shutil"),
        *("frod_bench.backbones.tiny.PreTrainedTokenizerFast", "frod_bench.backbones.gguf.Path"),
        *("frod_bench.backbones.gguf.package_folder", "frod_bench.backbones.tiny.TinyBackbone.build"),
        *("frod_bench.backbones.tiny", "frod_bench.backbones.", "frod_bench.backbones..tiny.TinyBackbone"),
        *("frod_bench.backbones.nowhere.A", "TinyBackbone", "", ".", None, ["a.b"], {"_target_": "os.system"}),
    ],
)
def test_only_classes_that_our_own_files_define_are_made(target):
    with pytest.raises(RequestError, match=r"is not one of frod-bench's backbones"):
        build({"_target_": target, "name": "x"}, "backbones")


@pytest.mark.parametrize(
    "hidden",
    [
        {"facts": {"_target_": "os.system", "command": "touch sprung"}},
        {"targets": [{"_target_": "os.system", "command": "touch sprung"}]},
        {"facts": {"deep": {"_target_": "os.system", "_args_": ["touch sprung"], "_partial_": False}}},
        {"_args_": ["touch sprung"]},
        {"_recursive_": True},
        {3: "x"},
    ],
)
def test_nothing_below_the_top_is_called(hidden, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with suppress(RequestError):
        assert vars(build(TINY | hidden, "backbones")).items() >= hidden.items()
    assert not (tmp_path / "sprung").exists()


def test_what_the_class_does_not_take_is_named():
    with pytest.raises(RequestError, match=r"x cannot be made: .*TypeError"):
        build(TINY | {"colour": "red"}, "backbones")


def test_an_interrupt_of_an_import_stays_one(monkeypatch):
    def interrupted(**values):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as stop:
            raise ImportError("half of a library") from stop

    monkeypatch.setattr(instantiate, "_class", lambda target, group: interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(TINY, "backbones")
