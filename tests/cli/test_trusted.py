import pytest
from hydra.errors import InstantiationException

from frod_bench.cli import trusted
from frod_bench.cli.trusted import build
from frod_bench.errors import RequestError

TINY = {"_target_": "frod_bench.backbones.tiny.TinyBackbone", "name": "x"}


@pytest.mark.parametrize(
    "target",
    ["os.system", "frod_bench.cli.run_command", "frod_bench.tasks.glue.GlueTask", "frod_benchx.backbones.a", 3],
)
def test_only_our_own_classes_are_made(target):
    with pytest.raises(RequestError, match=r"is not one of frod-bench's backbones"):
        build({"_target_": target, "name": "x"}, "backbones")


@pytest.mark.parametrize(
    "hidden",
    [
        {"facts": {"_target_": "os.system", "command": "touch sprung"}},
        {"targets": [{"_target_": "os.system", "command": "touch sprung"}]},
        {"facts": {"deep": {"deeper": {"_partial_": True}}}},
        {"_args_": ["touch sprung"]},
        {"_recursive_": True},
    ],
)
def test_nothing_below_the_top_is_called(hidden, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=r"_\w+_ is not accepted in the configuration of x"):
        build(TINY | hidden, "backbones")
    assert not (tmp_path / "sprung").exists()


def test_what_the_class_does_not_take_is_named():
    with pytest.raises(RequestError, match=r"x cannot be made: .*TypeError"):
        build(TINY | {"colour": "red"}, "backbones")


def test_an_interrupt_of_an_import_stays_one(monkeypatch):
    def interrupted(part):
        try:
            try:
                raise KeyboardInterrupt
            except KeyboardInterrupt as stop:
                raise ImportError("half of a library") from stop
        except ImportError as error:
            raise InstantiationException("x") from error

    monkeypatch.setattr(trusted, "instantiate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(TINY, "backbones")
