"""The resolvers that configurations use: `${recipe:KEY}`, `${if_fair:VALUE,OTHERWISE}`, `${if_null:VALUE,A,B}` (A where
the value is null, else B), `${slot_of:TASK}` (its place among the tasks of its suite), and those of data and tasks.
"""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from frod_bench.config.catalogue import choices, own_values, registered_name
from frod_bench.errors import RequestError, did_you_mean
from frod_bench.tasks.own.places import content_of, name_of

PROTOCOLS = ("released", "paper", "goat", "fair")
_ABSENT = object()


def register_resolvers() -> None:
    """Register the resolvers with OmegaConf."""
    OmegaConf.register_new_resolver("recipe", look_up, replace=True)
    OmegaConf.register_new_resolver("if_fair", _if_fair, replace=True)
    OmegaConf.register_new_resolver("source_for", _source_for, replace=True)
    OmegaConf.register_new_resolver("if_null", lambda value, a, b: a if value is None else b, replace=True)
    OmegaConf.register_new_resolver("slot_of", _slot_of, replace=True)
    OmegaConf.register_new_resolver("task_files", _task_files, replace=True)
    OmegaConf.register_new_resolver("own_name", _own_name, replace=True)
    OmegaConf.register_new_resolver("content_of", _content_of, replace=True)


def look_up(key: str, *, _root_: DictConfig) -> Any:
    """Return the value of `key` in the recipe for this run's suite, profile, protocol, method and task.

    Blocks are searched in the order profile, protocol, released; within a block, the task's row, the method's, then
    the common one. Raises RequestError when no row has the key.
    """
    task = str(registered_name(_root_.task)).rpartition("/")[2]
    blocks = list(dict.fromkeys(b for b in (_root_.profile.rows, _root_.protocol, "released") if b))
    for block in blocks:
        for row in (f"tasks.{task}", str(_root_.method.name), "common"):
            value = OmegaConf.select(_root_.recipe, f"{block}.{row}.{key}", default=_ABSENT)
            if value is not _ABSENT:
                return value
    raise RequestError(
        f"The recipe of {_root_.task.suite} has no {key!r} for method={_root_.method.name} in {', '.join(blocks)}."
    )


def check_protocol(protocol: str) -> None:
    """Raise RequestError for an unknown protocol."""
    if protocol not in PROTOCOLS:
        raise RequestError(f"protocol={protocol} is not known. {did_you_mean(str(protocol), PROTOCOLS)}")


def _if_fair(value: Any, otherwise: Any, *, _root_: DictConfig) -> Any:
    return value if _root_.protocol == "fair" else otherwise


def _source_for(default: str, *, _root_: DictConfig) -> str:
    if (own := _root_.task.get("source")) is not None:
        return own
    # data.root alone implies local data
    return default if _root_.data.root is None else "local"


def _slot_of(task: str | None) -> int | None:
    """Return the place of a task among those of its suite, None for none. Raises RequestError for an unknown one."""
    if task is None:
        return None
    if task not in choices("task"):
        hint = did_you_mean(str(task), choices("task"))
        raise RequestError(
            f"method.pattern_of={task} is no registered task. {hint} For tasks of your own, type method.pattern_slot=N."
        )
    suite = str(task).partition("/")[0]
    return [name for name in choices("task") if name.partition("/")[0] == suite].index(task)


def _task_files(suite: str, *tasks: str) -> list[dict[str, Any]]:
    """Return the values that the tasks' own files set, without their shared base."""
    return [own_values("task", f"{suite}/{task}") for task in tasks]


def _own_name(choice: str, place: Any) -> str:
    return name_of(choice, _plain(place))


def _content_of(place: Any, option: str, *, _root_: DictConfig) -> str | None:
    if place is None and option == "task.train":
        raise RequestError(
            f"task={_root_.task.choice} needs rows: type task.train=FILE, and task.eval=FILE if you have both."
        )
    return content_of(_plain(place), option)


def _plain(place: Any) -> Any:
    return OmegaConf.to_container(place) if OmegaConf.is_config(place) else place
