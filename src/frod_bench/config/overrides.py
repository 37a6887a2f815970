"""Check the overrides before Hydra reads them, and turn Hydra's errors into one sentence."""

import re
from difflib import get_close_matches

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig

from frod_bench.config.catalogue import GROUPS, choices
from frod_bench.config.old_names import is_in_open_section
from frod_bench.config.paths import config_dir
from frod_bench.errors import RequestError, did_you_mean, offer_close
from frod_bench.record.renamed_keys import RENAMED_KEYS

# empty, a number, a list, a mapping, a word that YAML reads as a value, or a file that only others include
_NO_CHOICE = re.compile(r"|[-+.\d\[{].*|true|false|null|nan|inf|default/.*|(.*/)?_.*", re.IGNORECASE | re.DOTALL)
_NO_OPTIONS = ("name", "version", "description", "citation", "choice", "_target_", "_convert_")
_FLAGS_WITH_A_WORD = ("-c", "--cfg", "-p", "--package", "-i", "--info")


def check_overrides(argv: list[str], commands: list[str]) -> None:
    """Raise RequestError for a word that is no `key=value`, adds or removes a key, or unsets a choice."""
    for number, word in enumerate(argv):
        if word.startswith("-") or (number and argv[number - 1] in _FLAGS_WITH_A_WORD):
            continue
        key, equals, value = word.partition("=")
        if key.startswith(("+", "~")) and not _may_be_new(key.lstrip("+~")):
            key = key.lstrip("+~")
            hint = f"Set it with {key}=VALUE." if key in _known_keys(argv) else _key_hint(key, argv)
            raise RequestError(f"{word} is not accepted: keys are neither added nor removed. {hint}")
        if not equals or not key:
            first = [] if number else commands
            typed = [f"{group}={name}" for group in GROUPS for name in choices(group)]
            hint = offer_close(word, [*first, *typed]) or "Type `frod-bench --help` for what is accepted."
            kind = "override of the form key=value" if number else "command and no override of the form key=value"
            raise RequestError(f"{word!r} is no {kind}. {hint}")
        if key in (*GROUPS, "recipe") and any(map(_NO_CHOICE.fullmatch, value.split(","))):
            raise _unknown_choice(key, value)


def _may_be_new(key: str) -> bool:
    return key.startswith("hydra") or is_in_open_section(key)


def as_request_error(error: Exception, argv: list[str]) -> RequestError:
    """Return the error of Hydra or OmegaConf as one sentence for the user."""
    if cause := _request_error(error):
        return cause
    if isinstance(error, MissingConfigException):
        group, _, name = (error.missing_cfg_file or "").partition("/")
        return _unknown_choice(group, name) if group in (*GROUPS, "sweep") else RequestError(str(error).splitlines()[0])
    if isinstance(error, OverrideParseException):
        return RequestError(
            f"The override {error.override!r} cannot be read ({str(error).splitlines()[0].strip()}). Write key=value,"
            " a list as key=[a,b], and quote values with special characters, as in \"key='a b'\"."
        )
    text = _joined(error)
    if several := re.search(r"Ambiguous value for argument '(.+?)'", text):
        return RequestError(
            f"{several[1]} has several values. Add -m to run each of them, or write a list as key=[a,b]."
        )
    if unknown := re.search(r"Could not override '([^']+)'", text):
        key = getattr(error.__cause__, "full_key", None) or unknown[1]
        return RequestError(f"There is no key {key!r} in the configuration. {_key_hint(key, argv)}")
    key = getattr(error, "full_key", None)
    return RequestError(f"{key}: {str(error).splitlines()[0]}" if key else text)


def _request_error(error: BaseException | None) -> RequestError | None:
    """Return the RequestError that OmegaConf wrapped, if there is one."""
    while error is not None and not isinstance(error, RequestError):
        error = error.__cause__ or error.__context__
    return error


def _unknown_choice(group: str, name: str) -> RequestError:
    return RequestError(f"{group}={name} is not known. {did_you_mean(name, choices(group))}")


def _joined(error: Exception) -> str:
    return " ".join(line.strip() for line in str(error).splitlines() if line.strip())


def _key_hint(key: str, argv: list[str]) -> str:
    """Return a sentence that offers what was probably meant: a choice with the value as typed, else keys."""
    if key in RENAMED_KEYS:
        return f"Its name is now {RENAMED_KEYS[key]}."
    typed = [word.partition("=")[0].lstrip("+~") for word in argv]
    key = next((word for word in typed if word.startswith(f"{key}.")), key)  # Hydra names the first unknown part
    if "." not in key and (group := get_close_matches(key, GROUPS, n=1, cutoff=0.7)):
        value = next((word.partition("=")[2] for word in argv if word.partition("=")[0].lstrip("+~") == key), "")
        return f"Did you mean {group[0]}={value or 'NAME'}?"
    return _hint_from(key, _known_keys(argv), argv) or "`frod-bench --cfg job` with the same choices shows every key."


def _hint_from(key: str, known: list[str], argv: list[str]) -> str:
    """Return a sentence with close keys, or with all options of the section that the key belongs to; else ""."""
    section, _, option = key.rpartition(".")
    sections = list(dict.fromkeys(name.rpartition(".")[0] for name in known if "." in name))
    found = [section] if section in sections else get_close_matches(section, sections, n=1, cutoff=0.7)
    if not found:
        parts = [name for name in known if key in name.split(".")[1:]]
        close = parts or get_close_matches(key, known, n=1, cutoff=0.7)
        return f"Did you mean {' or '.join(close)}?" if close else ""
    own = [name.rpartition(".")[2] for name in known if name.rpartition(".")[0] == found[0]]
    begun = [name for name in own if name.startswith(option)]
    if close := get_close_matches(option, own, n=1, cutoff=0.7) or begun[:1]:
        return f"Did you mean {found[0]}.{close[0]}?"
    options = sorted(name for name in own if name not in _NO_OPTIONS)
    if chosen := next((word for word in reversed(argv) if word.partition("=")[0] == found[0]), None):
        return f"{chosen} has {', '.join(options)}."
    return f"Accepted: {', '.join(f'{found[0]}.{name}' for name in options)}."


def _known_keys(argv: list[str]) -> list[str]:
    """Return all keys of the configuration composed from the choices among the overrides."""
    picked = [word for word in argv if word.partition("=")[0] in GROUPS and "," not in word]
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
            return _flatten(hydra.compose("config", picked))
    except Exception:  # only the hint is lost
        return []


def _flatten(node: DictConfig, prefix: str = "") -> list[str]:
    keys = []
    for key in node:
        if key == "recipe" and not prefix:
            continue
        child = node._get_node(key)
        keys += _flatten(child, f"{prefix}{key!s}.") if isinstance(child, DictConfig) else [f"{prefix}{key!s}"]
    return keys
