"""The settings of PEFT's tuners: which a user may give, and whether a value has the type that PEFT states."""

import dataclasses
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from peft import PeftConfig, PeftType
from peft.config import PromptLearningConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING

from frod_bench.errors import RequestError, did_you_mean
from frod_bench.peft_tuners import UNFIT

SEEDS = ("projection_prng_key", "projection_seed", "proj_seed", "random_loc_seed", "random_seed")
_OF_FILES = (
    *(field.name for field in dataclasses.fields(PeftConfig)),
    *("save_projection", "save_precomputed_indices", "save_indices", "save_only_topk_weights"),
    *("progressbar", "runtime_offload_base_weight", "ensure_weight_tying"),
)
# settings of PEFT that frod-bench decides, and what decides them
_DECIDED = {
    **dict.fromkeys(("target_modules", "exclude_modules", "target_parameters"), "backbone.targets names the layers"),
    **dict.fromkeys(("layers_to_transform", "layers_pattern"), "backbone.targets names the layers"),
    **dict.fromkeys(("trainable_token_indices", "layer_replication"), "backbone.targets names the layers"),
    "modules_to_save": "backbone.head names the head, and method.head=frozen freezes it",
    "bias": "the base stays frozen",
    **dict.fromkeys(("use_asa", "use_dynamic_rank"), "ranks and masks stay as they are during training"),
    **dict.fromkeys(("generator_seed", *SEEDS), "seed= fixes every random draw"),
    "sample_at_inference": "an evaluation has to give the same scores again",
    **dict.fromkeys(("fan_in_fan_out", "use_effective_conv2d"), "the targets are linear layers"),
    **dict.fromkeys(("use_qalora", "qalora_group_size"), "the base is not quantised"),
    **dict.fromkeys(("megatron_config", "megatron_core", "alora_invocation_tokens"), "nothing here would read it"),
    **dict.fromkeys(_OF_FILES, "frod-bench sets it"),
}
_OF_ASA = ("asa_", "init_warmup", "final_warmup", "mask_interval")  # settings of AdaMSS that only use_asa reads
# values that change the weights of the base or need data of their own; methods of ours do some of them
_VALUES = {"init_lora_weights": (True, False, "gaussian", "orthogonal")}
_PLAIN = (bool, int, float, str, type(None))


def tuner_types() -> list[str]:
    """Return the names of the tuners of PEFT that can be used."""
    return sorted(kind.value for kind in PEFT_TYPE_TO_TUNER_MAPPING if _reason_against(kind) is None)


def config_class(tuner: str) -> Any:
    """Return the class of a tuner's configuration. Raises RequestError for an unknown tuner and one that does not fit.

    `tuner` is the name in capitals.
    """
    if tuner not in PeftType.__members__:
        raise RequestError(f"method.type={tuner} is no tuner of PEFT. {did_you_mean(tuner, tuner_types())}")
    if (reason := _reason_against(PeftType(tuner))) is not None:
        raise RequestError(f"method.type={tuner} is not accepted: it {reason}.")
    return PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(tuner)]


def _reason_against(kind: PeftType) -> str | None:
    """Return why a tuner does not fit, None if nothing is known against it."""
    if kind.value in UNFIT:
        return UNFIT[kind.value]
    if kind not in PEFT_TYPE_TO_TUNER_MAPPING or kind not in PEFT_TYPE_TO_CONFIG_MAPPING:
        return "is not a tuner that this version of PEFT can attach by itself"
    if issubclass(PEFT_TYPE_TO_CONFIG_MAPPING[kind], PromptLearningConfig):
        return UNFIT["PROMPT_TUNING"]
    return None


def accepted_settings(config: Any) -> dict[str, Any]:
    """Return the settings of a tuner's configuration that a user may give, `{name: type}`."""
    hints = get_type_hints(config)
    names = [field.name for field in dataclasses.fields(config) if field.init and not _is_decided(field.name)]
    return {name: hints[name] for name in names if _is_plain(hints[name])}


def _is_decided(name: str) -> bool:
    return name in _DECIDED or name.startswith(_OF_ASA)


def defaults(config: Any) -> dict[str, Any]:
    """Return the default of every setting in `accepted_settings`."""
    accepted = accepted_settings(config)
    return {name: value for name, value in vars(config()).items() if name in accepted}


def check_settings(tuner: str, given: dict[str, Any]) -> None:
    """Raise RequestError for a setting of a tuner that it does not have, that is decided elsewhere, or of another type.

    `tuner` is the name in capitals.
    """
    accepted = accepted_settings(config_class(tuner))
    for name, value in given.items():
        typed = f"method.config.{name}={value}"
        if name in _DECIDED:
            raise RequestError(f"{typed} is not accepted: {_DECIDED[name]}.")
        if name not in accepted:
            raise RequestError(f"{tuner} has no setting method.config.{name}. {did_you_mean(name, accepted)}")
        if not _fits(value, accepted[name]) or (name.endswith("_modules") and isinstance(value, str)):
            raise RequestError(f"{typed} is not accepted: {tuner} takes {_words(accepted[name])} there.")
        if name in _VALUES and value not in _VALUES[name]:
            words = ", ".join(str(choice).lower() for choice in _VALUES[name])
            raise RequestError(f"{typed} is not accepted: it would not leave the base as it is. Accepted: {words}.")


def _parts(hint: Any) -> tuple[Any, ...]:
    """Return the alternatives of a type."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _is_plain(hint: Any) -> bool:
    """Return whether a value of the type can be typed: numbers, words, lists and mappings, no objects of PEFT."""
    return all(
        part in _PLAIN or part in (list, dict) or get_origin(part) in (list, dict, tuple, Literal)
        for part in _parts(hint)
        if not _is_enum(part)
    )


def _is_enum(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, str) and part is not str


def _fits(value: Any, hint: Any) -> bool:
    return any(_fits_one(value, part) for part in _parts(hint))


def _fits_one(value: Any, part: Any) -> bool:
    origin, inner = get_origin(part) or part, get_args(part)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in inner)
    if _is_enum(origin):
        return value in [choice.value for choice in origin]
    if origin is list:
        return isinstance(value, list) and all(_fits(each, inner[0]) for each in value if inner)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(each, inner[1]) for each in value.values() if inner)
    if origin is float:
        return type(value) in (int, float)
    return type(value) is origin


def _words(hint: Any) -> str:
    """Return a type in words: "a whole number", "a list as in [a,b]", "true or false or lycoris"."""
    return " or ".join(_word(part) for part in _parts(hint) if part is not type(None))


def _word(part: Any) -> str:
    origin, inner = get_origin(part) or part, get_args(part)
    if origin is Literal:
        return " or ".join(map(str, inner))
    if _is_enum(origin):
        return " or ".join(choice.value for choice in origin)
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", dict: "a mapping"}
    return names.get(origin, "a list as in [a,b]")
