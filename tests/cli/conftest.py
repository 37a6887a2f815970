"""Runs that several tests start from are made once and copied."""

import shutil

import pytest


@pytest.fixture(scope="session")
def kept_runs(tmp_path_factory):
    """The folder and its subfolders by the command that filled them."""
    return tmp_path_factory.mktemp("runs"), {}


@pytest.fixture
def made(bench, kept_runs, monkeypatch, tmp_path):
    """Returns a function (*words) that puts the runs of a command into tmp_path/outputs and returns that folder."""
    root, folders = kept_runs

    def make(*words):
        if words not in folders:
            folder = root / str(len(folders))
            with monkeypatch.context() as patch:
                patch.setenv("FROD_BENCH_OUT", str(folder))
                code, _, err = bench(*words)
            assert code == 0, err
            folders[words] = folder
        shutil.copytree(folders[words], tmp_path / "outputs", dirs_exist_ok=True)
        return tmp_path / "outputs"

    return make
