"""Read the released training scripts as syntax trees: what a line says, and where."""

import ast
from collections.abc import Iterator

from frod_bench.audit.release import Source

VISION = "image_classification/clip_vit_peft.py"
GLUE = "natural_language_understanding/train.py"
COMMONSENSE = "commonsence_reasoning/bf16_llama_reason.py"
ABLATION = "ablation_study/clip_vit_peft.py"


def epochs(source: Source) -> tuple[int, int]:
    """Return the number of epochs and the line of the loop `for epoch in range(...)`.

    Raises ValueError when there is no such loop over a number that the script states.
    """
    constants = {
        target.id: node.value.value
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(source.tree):
        if not (isinstance(node, ast.For) and isinstance(node.target, ast.Name) and node.target.id == "epoch"):
            continue
        stop = node.iter.args[0] if isinstance(node.iter, ast.Call) else node.iter
        count = constants.get(stop.id) if isinstance(stop, ast.Name) else getattr(stop, "value", None)
        if isinstance(count, int):
            return count, node.lineno
    raise ValueError(f"{source.path} has no loop over epochs")


def branches(node: ast.AST) -> Iterator[tuple[str, ast.If]]:
    """Yield every `if NAME == "word"`, or `NAME.lower() == "word"`, below a node, with the word."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.If) and isinstance(inner.test, ast.Compare):
            right = inner.test.comparators[0]
            if (
                isinstance(inner.test.ops[0], ast.Eq)
                and isinstance(right, ast.Constant)
                and isinstance(right.value, str)
            ):
                yield right.value, inner


def optimizer_branches(source: Source) -> dict[str, ast.If]:
    """Return the branches of `main` that create an optimizer, by the method's word."""
    return {word: branch for word, branch in branches(source.function("main")) if _assigns(branch, "optimizer")}


def method_words(source: Source, function: str) -> dict[str, ast.If]:
    """Return the branches of a function by the method's word; for a repeated word the first, which is the one taken."""
    found: dict[str, ast.If] = {}
    for word, branch in branches(source.function(function)):
        found.setdefault(word, branch)
    return found


def filters(branch: ast.If) -> list[tuple[str, int]]:
    """Return the words by which a branch selects parameters (`"word" in n`), with their lines."""
    return [
        (node.left.value, node.lineno)
        for statement in branch.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In)
        if isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
    ]


def calls(source: Source, name: str) -> list[ast.Call]:
    """Return the calls of a function or method by its last name, e.g. `from_pretrained`."""
    return [node for node in ast.walk(source.tree) if isinstance(node, ast.Call) and _last_name(node.func) == name]


def saves_best_epoch(source: Source) -> ast.If | None:
    """Return the `if METRIC > best...` that guards saving the model, or None."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Compare) and isinstance(node.test.ops[0], ast.Gt):
            right = node.test.comparators[0]
            saves = any(isinstance(n, ast.Call) and _last_name(n.func) == "save_pretrained" for n in ast.walk(node))
            if saves and isinstance(right, ast.Name) and right.id.startswith("best"):
                return node
    return None


def never_true(source: Source) -> list[ast.Compare]:
    """Return the comparisons of `x.lower()` with a word that has capital letters."""
    return [
        node
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Call)
        and _last_name(node.left.func) == "lower"
        and isinstance(node.comparators[0], ast.Constant)
        and node.comparators[0].value != str(node.comparators[0].value).lower()
    ]


def words(node: ast.AST) -> set[str]:
    """Return the string constants below a node."""
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def _assigns(branch: ast.If, name: str) -> bool:
    targets = [t for statement in branch.body if isinstance(statement, ast.Assign) for t in statement.targets]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _last_name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
