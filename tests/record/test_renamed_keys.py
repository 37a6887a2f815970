import yaml

from frod_bench.config.paths import config_dir
from frod_bench.record.renamed_keys import RENAMED_KEYS, with_current_keys

OLD = {"accumulate": 2, "clip_norm": None, "warmup": 0.1, "epochs": 3}
NEW = {"gradient_accumulation_steps": 2, "max_grad_norm": None, "warmup_steps": 0.1, "epochs": 3}


def test_old_names_are_replaced_in_their_places_and_only_there():
    config = {"warmup": 1, "train": OLD, "method": {"warmup": 2}}
    current = with_current_keys(config)
    assert current == {"warmup": 1, "train": NEW, "method": {"warmup": 2}}
    assert list(current["train"]) == list(NEW)
    assert with_current_keys(current) == current


def test_settings_and_parts_of_a_configuration_are_renamed_too():
    assert with_current_keys({f"train.{key}": value for key, value in OLD.items()}) == {
        f"train.{key}": value for key, value in NEW.items()
    }
    assert with_current_keys(OLD, "train.") == NEW


def test_every_new_name_is_a_key_of_the_configuration_and_no_old_one_is():
    keys = {f"train.{key}" for key in yaml.safe_load((config_dir() / "config.yaml").read_text())["train"]}
    assert set(RENAMED_KEYS.values()) <= keys and not keys & RENAMED_KEYS.keys()
