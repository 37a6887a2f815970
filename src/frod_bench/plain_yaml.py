"""YAML as plain data: what JSON could hold as well, without aliases, so that a small file stays small in memory."""

import math
from pathlib import Path
from typing import Any

import yaml

from frod_bench.errors import RequestError
from frod_bench.reading import DEPTH, LARGEST, read_text

_TAG = "tag:yaml.org,2002:"
_KINDS = ("null", "bool", "int", "float", "str", "seq", "map")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # libyaml's is ten times as fast
    depth = 0

    def descend_resolver(self, current_node: yaml.Node | None, current_index: Any) -> None:
        self.depth += 1  # here, as the composer goes down a level by recursion
        if self.depth > DEPTH:
            raise yaml.YAMLError(f"it is nested deeper than {DEPTH} levels")
        super().descend_resolver(current_node, current_index)

    def ascend_resolver(self) -> None:
        self.depth -= 1
        super().ascend_resolver()

    def construct_number(self, node: yaml.Node) -> float:
        kind = self.construct_yaml_int if node.tag == f"{_TAG}int" else self.construct_yaml_float
        value = kind(node)
        if not math.isfinite(value) or abs(value) > LARGEST:
            raise yaml.YAMLError(f"{node.value:.20} is no number that counts here")
        return value


_Loader.yaml_constructors = {f"{_TAG}{kind}": yaml.SafeLoader.yaml_constructors[f"{_TAG}{kind}"] for kind in _KINDS}
_Loader.yaml_constructors |= {f"{_TAG}{kind}": _Loader.construct_number for kind in ("int", "float")}
_Loader.yaml_constructors[None] = yaml.SafeLoader.yaml_constructors[None]  # what says that a tag is unknown


def read_mapping(file: Path) -> dict[str, Any]:
    """Return the configuration that a YAML file holds. Raises RequestError when there is none that can be read."""
    text = read_text(file)
    try:
        content = parse_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
        raise RequestError(f"{file} is broken: it is not plain YAML ({problem!s:.200}).") from error
    if not isinstance(content, dict):
        raise RequestError(f"{file} is broken: it is not a configuration.")
    return content


def parse_yaml(text: str) -> Any:
    """Return the data of a YAML document.

    Raises YAMLError or ValueError for what is not YAML, has an alias, a key that is no text, a value that JSON has no
    form for, or levels deeper than `DEPTH`.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_plain(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_plain(root: yaml.Node) -> None:
    """Raise YAMLError for a node that comes twice, which an alias makes it, and for a key that is no text."""
    seen, todo = set(), [root]
    while todo:
        node = todo.pop()
        if id(node) in seen:
            raise yaml.YAMLError("it has an alias")
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.tag != f"{_TAG}str":
                    raise yaml.YAMLError("it has a key that is no text")
                todo.append(value)
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value
