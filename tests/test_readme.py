"""What the texts for users tell them to type exists: commands, keys, make targets and files."""

import re
import shlex

import hydra
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra

from frod_bench.cli import _HELP, COMMANDS
from frod_bench.config.catalogue import choices
from frod_bench.config.old_names import current_override
from frod_bench.config.overrides import check_overrides
from frod_bench.config.paths import config_dir
from frod_bench.config.recipe import register_resolvers

ROOT = config_dir().parent
README = (ROOT / "README.md").read_text()
TEXTS = {name: (ROOT / name).read_text() for name in ("README.md", "results/README.md", "CHANGELOG.md")}
TEXTS["frod-bench --help"] = "\n".join(line.split("   ")[0] for line in _HELP.replace("  frod", "frod").splitlines())
_QUOTED = re.compile(r"`([^`]+)`")


def commands(text):
    """Yield the words of every `frod-bench …` in a text, in a block or between backticks, without what is left open."""
    blocks = re.findall(r"^```\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL) or [text]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    for line in [*lines, *_QUOTED.findall(text.replace("```", ""))]:
        line = re.sub(r"^\$ ", "", line.strip().replace("\\|", "|"))
        line = re.sub(r"^(FROD_BENCH_OUT=\S+ )", "", line)
        if line.startswith("frod-bench "):
            words = shlex.split(line.split("  #")[0])[1:]
            yield [word for word in words if "…" not in word and "..." not in word]


LISTS = [(name, words) for name, text in TEXTS.items() for words in commands(text)]


def test_commands_are_found():
    assert {words[0] for _, words in LISTS} >= {*COMMANDS, "method=frod", "-m"} - {"doctor"}


@pytest.mark.parametrize(("text", "words"), LISTS, ids=lambda value: value if isinstance(value, str) else value[0])
def test_what_is_to_be_typed_is_a_command_or_a_list_of_overrides(text, words):
    if words[0] in COMMANDS or words[0] in ("--help", "--version") or words in (["[--help|--version]"], ["COMMAND"]):
        return
    if not any(word.isupper() or "[" in word or word == "OVERRIDE=A,B" for word in words):
        check_overrides(words, list(COMMANDS))


def test_keys_of_the_readme_are_in_the_configuration():
    register_resolvers()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        for words in commands(README):
            if words[0] not in COMMANDS and not words[0].startswith("-"):
                hydra.compose("config", [*map(current_override, words)])


def test_keys_of_the_help_are_in_the_configuration():
    register_resolvers()
    GlobalHydra.instance().clear()
    groups = ("train", "method", "data", "backbone", "task", "wandb", "checkpoint")
    keys = set(re.findall(rf"(?<![\w./])((?:{'|'.join(groups)})\.[a-z_]+)\b", _HELP))
    assert len(keys) > 10
    known = set()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        for method, task in (
            ("frod", "glue/rte"),
            ("lora", "commonsense/boolq"),
            ("randlora", "vision/dtd"),
            ("peft", "glue/rte"),
        ):
            config = hydra.compose("config", [f"method={method}", f"task={task}"])
            known |= {f"{group}.{key}" for group in groups for key in config[group]}
    assert keys - known == {"data.wording"}  # a key of a record


def test_names_are_those_that_can_be_chosen():
    for group in ("method", "task", "profile", "backbone"):
        typed = re.findall(rf"\b{group}=([\w/,|\\]+)", README)
        names = {name for value in typed for name in re.split(r"\\?\||,", value) if name}
        assert names <= {*choices(group), "DIR"}, group


def test_files_and_make_targets_exist():
    for name in ("README.md", "results/README.md", "CHANGELOG.md"):
        folder = (ROOT / name).parent
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", TEXTS[name]):
            assert (folder / link).exists(), (name, link)
    targets = set(re.findall(r"^([a-z0-9]+)(?= .*:|:)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+[0-9]?)\b", README)) <= targets


def test_the_readme_stays_short():
    assert README.count("\n") < 150


def test_the_citation_names_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    (paper,) = citation["references"]
    assert [author["family-names"] for author in paper["authors"]] == ["Wan", "Chen", "Feng", "Zhou", "Xu"]
    assert "2512.23485" in paper["url"]
