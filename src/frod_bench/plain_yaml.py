"""YAML as plain data: what JSON could hold as well, without aliases, so that a small file stays small in memory."""

from pathlib import Path
from typing import Any

import yaml

from frod_bench.errors import RequestError
from frod_bench.reading import DEPTH, LARGEST, read_text

_LARGEST_FILE = 2**18  # bytes; a configuration has some thousands, and these take half a second
_TAG = "tag:yaml.org,2002:"


def read_mapping(file: Path) -> dict[str, Any]:
    """Return the configuration that a YAML file holds. Raises RequestError when there is none that can be read."""
    text = read_text(file, _LARGEST_FILE)
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
        return None if node is None else loader.plain(node, set())
    finally:
        loader.dispose()


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times as fast


class _Loader(_Base):
    depth = 0

    def descend_resolver(self, current_node: yaml.Node | None, current_index: Any) -> None:
        self.depth += 1  # counted here, as the composer goes down a level by recursion
        if self.depth > DEPTH:
            raise yaml.YAMLError(f"it is nested deeper than {DEPTH} levels")
        super().descend_resolver(current_node, current_index)

    def ascend_resolver(self) -> None:
        self.depth -= 1
        super().ascend_resolver()

    def plain(self, node: yaml.Node, seen: set[int]) -> Any:
        """Return the data of a node. `seen` are the nodes before it: an alias brings one of them a second time."""
        if id(node) in seen:
            raise yaml.YAMLError("it has an alias")
        seen.add(id(node))
        match node, node.tag.removeprefix(_TAG):
            case yaml.ScalarNode(), "str":
                return node.value
            case yaml.MappingNode(), "map":
                if any(key.tag != f"{_TAG}str" or not isinstance(key, yaml.ScalarNode) for key, _ in node.value):
                    raise yaml.YAMLError("it has a key that is no text")
                return {key.value: self.plain(value, seen) for key, value in node.value}
            case yaml.SequenceNode(), "seq":
                return [self.plain(value, seen) for value in node.value]
            case yaml.ScalarNode(), "null":
                return None
            case yaml.ScalarNode(), "bool" if node.value.lower() in self.bool_values:
                return self.construct_yaml_bool(node)
            case yaml.ScalarNode(), "int" if node.value:
                return _counted(self.construct_yaml_int(node))
            case yaml.ScalarNode(), "float" if node.value:
                return _counted(self.construct_yaml_float(node))
        raise yaml.YAMLError(f"it has a value of the kind {node.tag}")


def _counted(number: float) -> float:
    if not -LARGEST <= number <= LARGEST:
        raise yaml.YAMLError(f"it has a number that is not finite or larger than {LARGEST:g}")
    return number
