"""A missing backbone is refused within a second, in the words of the download that would fail."""

import pytest

from frod_bench.backbones import availability
from frod_bench.backbones.availability import require_weights
from frod_bench.config.catalogue import read_group
from frod_bench.errors import RequestError

BACKBONES = read_group("backbone")
FROM_HUB = [name for name, config in BACKBONES.items() if config.get("id") or config.get("pretrained")]


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(availability, "hub_reachable", lambda: False)


@pytest.mark.parametrize("name", BACKBONES)
def test_only_what_comes_from_the_hub_is_refused(name):
    if name not in FROM_HUB:
        return require_weights(BACKBONES[name])
    with pytest.raises(RequestError, match=r"not on this machine and the hub cannot be reached\. .*backbone\.path="):
        require_weights(BACKBONES[name])


@pytest.mark.parametrize("name", FROM_HUB)
def test_what_the_hub_may_have_passes(monkeypatch, name):
    monkeypatch.setattr(availability, "hub_reachable", lambda: True)
    require_weights(BACKBONES[name])


def test_what_the_cache_has_passes(tmp_path):
    snapshots = tmp_path / "hub/models--FacebookAI--roberta-large"
    (snapshots / "snapshots/abc").mkdir(parents=True)
    (snapshots / "refs").mkdir()
    (snapshots / "refs/main").write_text("abc")
    require_weights(BACKBONES["roberta_large"])
    with pytest.raises(RequestError, match="roberta-large"):
        require_weights(BACKBONES["roberta_large"] | {"revision": "other"})


def test_a_local_copy_passes_and_a_folder_that_is_not_there_is_named(tmp_path):
    require_weights(BACKBONES["roberta_large"] | {"path": str(tmp_path)})
    with pytest.raises(RequestError, match=r"There is no model directory .*none"):
        require_weights(BACKBONES["roberta_large"] | {"path": str(tmp_path / "none")})


@pytest.mark.parametrize("name", [name for name in FROM_HUB if "pretrained" in BACKBONES[name]])
def test_the_repositories_are_those_of_open_clip(name):
    import open_clip  # takes seconds

    config = BACKBONES[name]
    found = {tag: f"{repository}/" for tag, repository in config["facts"]["repositories"].items()}
    assert found == {
        config["pretrained"]: open_clip.get_pretrained_cfg(config["model"], config["pretrained"])["hf_hub"]
    }
