import os
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import ClassVar

import pytest
from accelerate import PartialState
from accelerate.tracking import LOGGER_TYPE_TO_CLASS

from frod_bench.errors import RequestError
from frod_bench.train.tracker import Tracker, require_tracker

LINE = {"step": 4, "epoch": 1, "train_loss": 0.5, "eval": {"accuracy": 0.5}, "words": ["no number"], "none": None}


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


class Config(dict):
    def update(self, values, allow_val_change):
        super().update(values)


class FakeWandb:
    """Stands in for the package: keeps how it was started, raises where it is told to."""

    def __init__(self, *failing):
        self.failing, self.started, self.run = failing, [], FakeRun(failing)
        self.Settings, self.config = SimpleNamespace, Config()

    def init(self, **arguments):
        if "init" in self.failing:
            raise ValueError("no init today")
        self.started.append(arguments)
        return self.run


@pytest.fixture(autouse=True)
def state():
    """What the accelerator of a run has made, which accelerate's trackers need to log a word of their own."""
    PartialState()


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
    tracker = Tracker("wandb", mode, "project", "name", {"seed": 0, "train": {"betas": [0.9, 0.999]}}, directory)
    tracker.log(LINE)
    tracker.close()


def test_none_starts_nothing(tmp_path, capsys):
    tracker = Tracker(None, "disabled", "project", "name", {}, tmp_path)
    tracker.log(LINE)
    tracker.close()
    assert capsys.readouterr().out == ""
    assert not [thread for thread in threading.enumerate() if thread.name == "tracker"]


def test_offline_gets_every_line(wandb, tmp_path, capsys):
    use("offline", tmp_path)
    (started,) = wandb.started
    assert (started["mode"], started["project"], started["dir"]) == ("offline", "project", str(tmp_path))
    assert wandb.config == {"seed": 0, "train.betas": "[0.9, 0.999]"}
    assert wandb.run.lines == [(4, {"step": 4, "epoch": 1, "train_loss": 0.5, "eval/accuracy": 0.5})]
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
    tracker = Tracker("wandb", "offline", "project", "name", {}, tmp_path)
    for _ in range(3):
        tracker.log(LINE)
    tracker.close()
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert not wandb.run.finished


class Client:
    """A fake tracker of accelerate that records its calls; `acts` adds a side effect to some of them."""

    calls: ClassVar[list] = []
    acts: ClassVar[dict] = {}

    def __init__(self, place, **options):
        self.note("init", place, options)

    def note(self, call, *values):
        self.calls.append((call, *values))
        self.acts.get(call, lambda: None)()

    def start(self):
        self.note("start")

    def store_init_configuration(self, values):
        self.note("config", values)

    def log(self, values, step):
        self.note("log", step, values)

    def finish(self):
        self.note("finish")


@pytest.fixture
def client(monkeypatch):
    """Returns a function (call, action) that makes accelerate's trackers act at a call; the calls so far in `calls`."""
    monkeypatch.setattr(Client, "calls", [])
    monkeypatch.setattr(Client, "acts", {})
    for name in ("tensorboard", "trackio"):
        monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, name, Client)
    return Client


@pytest.mark.parametrize(
    ("name", "place", "options"),
    [("trackio", "project", {"name": "name"}), ("tensorboard", "tensorboard", {"logging_dir": "DIR"})],
)
def test_the_other_trackers_of_accelerate(client, tmp_path, capsys, name, place, options):
    tracker = Tracker(name, "disabled", "project", "name", {"seed": 0, "out": None}, tmp_path)
    tracker.log(LINE)
    tracker.close()
    options = {key: value.replace("DIR", str(tmp_path)) for key, value in options.items()}
    assert client.calls[:3] == [("init", place, options), ("start",), ("config", {"seed": 0})]
    assert [call[0] for call in client.calls[3:]] == ["log", "finish"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("call", ["init", "start", "config", "log", "finish"])
def test_one_that_hangs_is_dropped_with_one_notice(client, monkeypatch, tmp_path, capsys, call):
    monkeypatch.setattr("frod_bench.train.tracker._PATIENCE_S", 0.1)
    forever = threading.Event()
    client.acts[call] = forever.wait
    tracker = Tracker("trackio", "disabled", "project", "name", {}, tmp_path)
    for _ in range(3):
        tracker.log(LINE)
        time.sleep(0.06)
    tracker.close()
    forever.set()
    (notice,) = capsys.readouterr().out.splitlines()
    assert "trackio did not" in notice and "the run goes on without it" in notice


def test_one_that_exits_is_dropped_too(client, tmp_path, capsys):
    client.acts["log"] = sys.exit
    tracker = Tracker("trackio", "disabled", "project", "name", {}, tmp_path)
    tracker.log(LINE)
    tracker.close()
    assert "trackio could not log (SystemExit" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["wandb", "tensorboard", "trackio"])
def test_a_package_that_is_not_installed_is_refused_with_the_command(monkeypatch, name):
    for package in (name, "tensorboardX"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RequestError, match=f"Type: pip install {name}"):
        require_tracker({"tracker": name, "wandb": {"mode": "disabled", "project": "p"}})
    require_tracker({"wandb": {"mode": "disabled", "project": "p"}})  # an older configuration


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
from accelerate import PartialState
from pathlib import Path
from frod_bench.train import tracker
PartialState()
tracker._INIT_TIMEOUT_S = 1.0
watcher = tracker.Tracker("wandb", "online", "project", "name", {}, Path(sys.argv[1]))
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
