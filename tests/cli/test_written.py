"""What commands write outside of runs: whole or as it was, readable as the umask says, and refused in a sentence."""

import errno
import os
import re
import resource
import shutil
from pathlib import Path

import pytest

from frod_bench.cli import run_command

RUN = ("profile=smoke", "method=lora", "task=glue/mrpc", "train.epochs=1", "data.max_train=16", "data.max_eval=8")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert run_command([*RUN, f"out={folder}"]) == 0
    return folder


def commands(run, to):
    """Return the commands that write, each with the folder that it writes into."""
    return {
        "report": (["report", run, "--to", to], to),
        "stats": (["report", "stats", run, "--to", to], to),
        "html": (["report", "html", run, "--to", to / "page.html"], to),
        "figure 4": (["figure", "4", run, "--to", to], to),
        "peft": (["export", run, "--format", "peft", "--to", to], to),
        "merged": (["export", run, "--format", "merged", "--to", to], to),
    }


NAMES = tuple(commands("", Path()))


def contents(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def small_disk():
    """Let no file grow beyond 100 bytes: an error of the system, not one that a test made up."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def begin():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, most))

    yield begin
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_leaves_what_was_there_and_nothing_that_is_cut(run, bench, small_disk, tmp_path, name):
    words, folder = commands(run, tmp_path / "to")[name]
    if name not in ("peft", "merged"):  # an export takes no folder that holds something
        assert bench(*map(str, words))[0] == 0
        for file in folder.iterdir():
            file.write_bytes(b"the old one")
    before = contents(folder)
    small_disk()
    code, _, err = bench(*map(str, words))
    assert code == 2
    assert re.search(r"cannot be written \(.*File too large.*\)\. Give another --to\.", err) and "Traceback" not in err
    after = contents(folder)
    assert after.keys() == before.keys() or name == "peft"  # whose small file may be whole beside no large one
    assert all(len(content) != 100 for content in after.values())  # none is cut
    assert all(after[key] == before[key] or len(after[key]) < 100 for key in before)
    assert all(not Path(file).name.startswith(".") for file in after)


@pytest.mark.parametrize("name", NAMES[:-2])  # an export takes no folder that holds something
def test_a_link_is_refused(run, bench, tmp_path, name):
    words, folder = commands(run, tmp_path / "to")[name]
    assert bench(*map(str, words))[0] == 0
    for file in folder.iterdir():
        (tmp_path / file.name).write_text("mine")
        file.unlink()
        file.symlink_to(tmp_path / file.name)
    code, _, err = bench(*map(str, words))
    assert code == 2 and "cannot be written (it is a link, and links are not followed). Give another --to." in err
    assert {file.read_text() for file in tmp_path.iterdir() if file.is_file()} == {"mine"}


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_the_umask_decides_who_may_read(bench, monkeypatch, tmp_path, umask):
    monkeypatch.setenv("FROD_BENCH_CACHE", str(tmp_path / "cache"))
    before = os.umask(umask)
    try:
        assert bench(*RUN, "method=frod", "out=run")[0] == 0
        for name, (words, _) in commands(tmp_path / "run", tmp_path / "to").items():
            if name != "peft":  # FRoD's own basis has no form there
                assert bench(*map(str, words))[0] == 0, name
                shutil.move(tmp_path / "to", tmp_path / name)
    finally:
        os.umask(before)
    modes = {}
    for file in tmp_path.rglob("*"):
        if file.is_file():
            modes.setdefault(oct(file.stat().st_mode & 0o777), []).append(file.relative_to(tmp_path).as_posix())
    assert list(modes) == [oct(0o666 & ~umask)], modes
    assert any(name.startswith("cache/decompositions/") for name in modes[oct(0o666 & ~umask)])


def test_an_adapter_that_may_not_be_read_is_named(run, bench, monkeypatch, tmp_path):
    """As a colleague's that an older version left for its owner alone."""
    opened = os.open

    def refuse(path, *arguments, **options):
        if str(path).endswith("adapter_model.safetensors"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    code, _, err = bench("export", str(run), "--to", str(tmp_path / "to"))
    assert code == 2
    assert f"{run}/adapter/adapter_model.safetensors cannot be read (Permission denied). Ask its owner" in err
    assert bench("report", str(run))[0] == 0


def test_the_page_of_a_killed_command_is_the_old_one(run, bench, tmp_path):
    page = tmp_path / "page.html"
    assert bench("report", "html", str(run), "--to", str(page))[0] == 0
    before = page.read_bytes()
    if (child := os.fork()) == 0:
        os.fsync = lambda descriptor: os.kill(os.getpid(), 9)
        run_command(["report", "html", str(run), "--title", "new", "--to", str(page)])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
    assert page.read_bytes() == before
