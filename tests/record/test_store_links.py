"""A link inside a run's directory leads to somebody's files: it is refused, and what it points to is as it was."""

import shutil

import pytest

from frod_bench.errors import RequestError
from frod_bench.record import RunDirectory

HASH = "0123456789abcdef"
FILES = (
    ".lock",
    "config.yaml",
    "metrics.jsonl",
    "losses.jsonl",
    "record.json",
    "log.txt",
    "README.md",
    ".record.json.damaged",
)
INNER = ("adapter/adapter_config.json", "checkpoints/000001-0.pt", "checkpoints/1.tmp", "landscapes/after.csv")
FOLDERS = ("checkpoints", "adapter", "landscapes", "wandb")
STATES = ("absent", "running", "failed", "completed")


@pytest.fixture
def victim(tmp_path):
    """Somebody's folder with files of the names that a run writes, and what is in them."""
    folder = tmp_path / "victim"
    folder.mkdir()
    for name in ("000001-0123456789abcdef.pt", "1.tmp", "adapter_config.json", "after.csv", "thesis.tex"):
        (folder / name).write_text("mine")
    return folder


@pytest.fixture
def run(tmp_path, record, store):
    """Returns a function (state) -> the directory of a run in that state, which nobody has."""

    def make(state):
        directory = RunDirectory(tmp_path / "run")
        if state != "absent":
            record.status = state
            store(directory.path, record)
            directory.write_losses([[1.0]])
            for folder in (directory.checkpoints, directory.adapter, directory.landscapes):
                folder.mkdir()
                (folder / "old").write_text("of the run")
        directory.path.mkdir(exist_ok=True)
        return directory

    return make


def link(path, target):
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", [*FILES, *INNER, *FOLDERS])
def test_a_link_is_refused_and_its_target_left_alone(run, victim, name, state, force):
    directory = run(state)
    link(directory.path / name, victim if name in FOLDERS else victim / "thesis.tex")
    before = {file.name: file.read_text() for file in directory.path.iterdir() if file.is_file()}
    with pytest.raises(RequestError, match=r"cannot be written \(it is a link, and links are not followed\)") as raised:
        directory.claim(HASH, "seed: 0\n", force=force)
    directory.release()
    assert str(directory.path / name) in str(raised.value)
    assert {file.name: file.read_text() for file in victim.iterdir()} == dict.fromkeys(
        ("000001-0123456789abcdef.pt", "1.tmp", "adapter_config.json", "after.csv", "thesis.tex"), "mine"
    )
    assert {file.name: file.read_text() for file in directory.path.iterdir() if file.is_file()} == before
    assert (directory.path / name).is_symlink()


@pytest.mark.parametrize("name", ["checkpoints", "adapter", "metrics.jsonl"])
def test_a_link_that_comes_meanwhile_is_not_followed(run, victim, name):
    directory = run("absent")
    directory.claim(HASH, "seed: 0\n")
    link(directory.path / name, victim if name in FOLDERS else victim / "thesis.tex")
    with pytest.raises(OSError, match="links are not followed"):
        directory.require_owned()
    if name not in FOLDERS:
        with pytest.raises(OSError, match="links are not followed"):
            directory.write_metrics([{"epoch": 1}])
    assert all(file.read_text() == "mine" for file in victim.iterdir())


def test_the_directory_itself_may_be_a_link(run, tmp_path):
    run("absent")
    (tmp_path / "data").symlink_to(tmp_path / "run")
    directory = RunDirectory(tmp_path / "data")
    assert directory.claim(HASH, "seed: 0\n") == "new"
    directory.release()
    assert (tmp_path / "run/config.yaml").is_file()
