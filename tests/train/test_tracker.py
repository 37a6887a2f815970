import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from frod_bench.train.tracker import Tracker

LINE = {"step": 4, "epoch": 1, "train_loss": 0.5}


class FakeRun:
    def __init__(self, failing):
        self.failing, self.lines, self.finished = failing, [], False

    def log(self, line, step):
        if "log" in self.failing:
            raise RuntimeError("no log today")
        self.lines.append((step, line))

    def finish(self):
        if "finish" in self.failing:
            raise OSError("no finish today")
        self.finished = True


class FakeWandb:
    """Stands in for the package: keeps how it was started, raises where it is told to."""

    def __init__(self, *failing):
        self.failing, self.started, self.run = failing, [], FakeRun(failing)
        self.Settings = SimpleNamespace

    def init(self, **arguments):
        if "init" in self.failing:
            raise ValueError("no init today")
        self.started.append(arguments)
        return self.run


@pytest.fixture
def wandb(monkeypatch, request):
    """The package, and a machine without network, login or netrc unless a test says otherwise."""

    def unreachable(*args, **kwargs):
        raise OSError("unreachable")

    fake = FakeWandb(*getattr(request, "param", ()))
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.setattr(socket, "create_connection", unreachable)
    monkeypatch.delenv("WANDB_BASE_URL", raising=False)
    monkeypatch.setenv("NETRC", "/nonexistent/netrc")
    return fake


def use(mode, directory):
    tracker = Tracker(mode, "project", "name", {"seed": 0}, directory)
    tracker.log(LINE)
    tracker.close()


def test_disabled_never_imports_the_package(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)  # an import would raise
    use("disabled", tmp_path)
    assert capsys.readouterr().out == ""


def test_offline_gets_every_line(wandb, tmp_path, capsys):
    use("offline", tmp_path)
    (started,) = wandb.started
    assert (started["mode"], started["project"], started["dir"]) == ("offline", "project", str(tmp_path))
    assert wandb.run.lines == [(4, LINE)]
    assert wandb.run.finished
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("wandb", "what"), [(["init"], "start"), (["log"], "log"), (["finish"], "finish")], indirect=["wandb"]
)
def test_a_failure_is_one_notice(wandb, tmp_path, capsys, what):
    use("offline", tmp_path)
    (notice,) = capsys.readouterr().out.splitlines()
    assert f"could not {what}" in notice
    assert "today" in notice
    assert "the run goes on without it" in notice


@pytest.mark.parametrize("wandb", [["log"]], indirect=True)
def test_after_a_failure_nothing_more_is_tried(wandb, tmp_path, capsys):
    tracker = Tracker("offline", "project", "name", {}, tmp_path)
    for _ in range(3):
        tracker.log(LINE)
    tracker.close()
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert not wandb.run.finished


def test_a_package_that_is_not_installed_is_a_notice(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)
    use("offline", tmp_path)
    assert "could not start (ModuleNotFoundError" in capsys.readouterr().out


def test_online_without_a_network_goes_offline(wandb, tmp_path, capsys):
    use("online", tmp_path)
    assert wandb.started[0]["mode"] == "offline"
    notice = capsys.readouterr().out
    assert "no network; logging offline" in notice
    assert f"wandb sync {tmp_path}/wandb" in notice


@pytest.mark.parametrize("netrc", [None, b"machine api.wandb.ai login \xff\xfe"])
def test_online_without_a_login_goes_offline(wandb, monkeypatch, tmp_path, capsys, netrc):
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: SimpleNamespace(close=lambda: None))
    if netrc:
        (tmp_path / "netrc").write_bytes(netrc)
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    use("online", tmp_path)
    assert wandb.started[0]["mode"] == "offline"
    assert "not logged in; logging offline" in capsys.readouterr().out


@pytest.mark.parametrize("login", ["key", "netrc"])
def test_online_with_network_and_login_is_online(wandb, monkeypatch, tmp_path, capsys, login):
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: SimpleNamespace(close=lambda: None))
    if login == "key":
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    else:
        (tmp_path / "netrc").write_text("machine api.wandb.ai login user password key\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    use("online", tmp_path)
    assert wandb.started[0]["mode"] == "online"
    assert capsys.readouterr().out == ""


HANGING = """
import sys
from pathlib import Path
from frod_bench.train import tracker
tracker._INIT_TIMEOUT_S = 1.0
watcher = tracker.Tracker("online", "project", "name", {}, Path(sys.argv[1]))
watcher.log({"step": 1})
watcher.close()
"""


def test_a_server_that_never_answers_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        secret = "0123456789" * 4
        environment = os.environ | {"WANDB_BASE_URL": address, "WANDB_API_KEY": secret, "HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", HANGING, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=90
        )
    assert done.returncode == 0, done.stderr
    assert "wandb could not start" in done.stdout
    assert "the run goes on without it" in done.stdout
    assert secret not in done.stdout + done.stderr
