"""Which layers a model reads the weights of, instead of calling them: it would pass by an adapter in their place.

The code that a forward pass can reach is parsed, not run. What its names stand for is looked up in the model: its
parts, what local names and loop variables are set to, and the arguments of functions and methods that are called.
"""

import ast
import contextlib
import inspect
import operator
import textwrap
from collections.abc import Callable, Iterable, Sized
from functools import cache
from types import FunctionType, SimpleNamespace
from typing import Any, cast

from torch import nn

from frod_bench.methods.support.wrappers import unwrap

Modules = set[nn.Module]
# of a weight, what an adapter answers as its base layer does; and functions that do not look at its values
_DESCRIBES = ("dtype", "device", "shape", "size", "dim", "ndim", "numel", "nelement", "element_size", "is_cuda")
_ASKS = ("isinstance", "hasattr", "getattr", "type", "id")
_COMPARISONS = {
    **{ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Gt: operator.gt, ast.GtE: operator.ge},
    **{ast.Lt: operator.lt, ast.LtE: operator.le},
}


def weight_readers(model: nn.Module, around: Iterable[nn.Module]) -> dict[nn.Module, nn.Module]:
    """Return the layers whose weight the forward pass of a module in `around` reads, each with that module.

    Its dtype, device and shape may be read. A branch that the `config` of the model switches off is left out. Code
    without a source, and what a library computes in C, is not seen.
    """
    config = vars(getattr(unwrap(model), "config", SimpleNamespace()))
    found: dict[nn.Module, nn.Module] = {}
    for module in around:
        reader = _Reader(config)
        reader.follow(_function(module.forward), {"self": {module}})
        found |= dict.fromkeys(reader.read - found.keys(), module)
    return found


class _Reader(ast.NodeVisitor):
    """Collect in `read` the modules whose weight is read, through all functions that are followed."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.read: Modules = set()
        self._config = config
        self._seen: set[tuple] = set()
        self._function: Callable | None = None
        self._names: dict[str, Modules] = {}

    def follow(self, function: Callable | None, names: dict[str, Modules]) -> None:
        """Walk through the body of a function whose arguments stand for these modules."""
        key = (function, *((name, *sorted(map(id, modules))) for name, modules in sorted(names.items())))
        body = [] if function is None or key in self._seen else _body(function)
        self._seen.add(key)
        caller = self._function, self._names
        self._function, self._names = function, dict(names)
        for statement in body:
            self.visit(statement)
        self._function, self._names = caller

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in _DESCRIBES and (layer := _owner_of_weight(node.value)) is not None:
            return self.visit(layer)
        owners = self._modules(node.value)
        if node.attr == "weight":
            self.read |= owners
        for owner in owners:
            member = inspect.getattr_static(type(owner), node.attr, None)
            if isinstance(member, property):
                self.follow(_function(member.fget), {"self": {owner}})
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name in _ASKS and node.args and (layer := _owner_of_weight(node.args[0])) is not None:
            return self.visit(layer)
        if name == "getattr" and (attribute := _attribute_asked_for(node)) is not None:
            return self.visit(attribute)
        given = [self._modules(argument) for argument in node.args]
        named = {word.arg: self._modules(word.value) for word in node.keywords if word.arg}
        for function, owner in self._called(node.func):
            if owner is not None or any((*given, *named.values())):
                self._call(function, [*([] if owner is None else [{owner}]), *given], named)
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if not all(isinstance(how, ast.Is | ast.IsNot) for how in node.ops):
            self.generic_visit(node)

    def visit_If(self, node: ast.If | ast.IfExp) -> None:
        self.visit(node.test)
        decided = self._decided(node.test)
        for part, left_out in ((node.body, False), (node.orelse, True)):
            if decided is not left_out:
                for one in part if isinstance(part, list) else [part]:
                    self.visit(one)

    visit_IfExp = visit_If

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._bind(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self._bind(node.target, node.value)

    def visit_For(self, node: ast.For | ast.comprehension) -> None:
        for target in ast.walk(node.target):
            if isinstance(target, ast.Name):
                self._add(target.id, self._items(node.iter))
        self.generic_visit(node)

    visit_comprehension = visit_For

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        for generator in node.generators:  # they name what the element is made of
            self.visit(generator)
        self.generic_visit(node)

    visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_ListComp

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for one, of_one in zip(target.elts, value.elts, strict=True):
                self._bind(one, of_one)
        elif isinstance(target, ast.Name):
            self._add(target.id, self._modules(value))

    def _add(self, name: str, modules: Modules) -> None:
        self._names[name] = self._names.get(name, set()) | modules  # of either branch

    def _modules(self, node: ast.expr | None) -> Modules:
        """Return the modules that an expression may stand for."""
        match node:
            case ast.Name(name):
                return self._names.get(name, set())
            case ast.Attribute(owner, name):
                parts = [vars(one).get(name, one._modules.get(name)) for one in self._modules(owner)]
                return {unwrap(part) for part in parts if isinstance(part, nn.Module)}
            case ast.Subscript(owner, index) if (place := _literal(index)) is not None:
                found = [one._modules.get(_key(one, place)) for one in self._modules(owner)]
                return {unwrap(part) for part in found if part is not None}
            case ast.Subscript(owner):  # a slice, or a place that is computed
                return self._items(owner)
            case ast.IfExp(_, one, other):
                return self._modules(one) | self._modules(other)
            case ast.BoolOp(_, several) | ast.Tuple(several) | ast.List(several):
                return set().union(*map(self._modules, several))
            case ast.NamedExpr(_, value):
                return self._modules(value)
            case ast.Call(ast.Name("getattr")) if (attribute := _attribute_asked_for(node)) is not None:
                return self._modules(attribute)
        return set()

    def _items(self, node: ast.expr) -> Modules:
        """Return the modules that a loop over an expression may yield, as over enumerate(self.layers)."""
        match node:
            case ast.Call(ast.Attribute(owner), arguments):
                return self._items(owner).union(*map(self._items, arguments))
            case ast.Call(_, arguments):
                return set().union(*map(self._items, arguments))
            case ast.Subscript():
                return self._modules(node)
            case ast.Tuple() | ast.List():
                return self._modules(node)
        return {unwrap(child) for one in self._modules(node) for child in one.children()}

    def _called(self, node: ast.expr) -> list[tuple[Callable | None, nn.Module | None]]:
        """Return the functions that a call may reach, each with the module whose method it is."""
        match node:
            case ast.Name(name):
                return [(_function(getattr(self._function, "__globals__", {}).get(name)), None)]
            case ast.Attribute(ast.Call(ast.Name("super")), name):
                return [(self._inherited(one, name), one) for one in self._names.get("self", ())]
            case ast.Attribute(owner, name):
                members = [(one, inspect.getattr_static(type(one), name, None)) for one in self._modules(owner)]
                return [(_function(member), one) for one, member in members if isinstance(member, FunctionType)]
        return []

    def _inherited(self, module: nn.Module, name: str) -> Callable | None:
        """Return the method that super().name is in the function that is followed."""
        kinds = type(module).__mro__
        here = next((n for n, kind in enumerate(kinds) if self._function in map(_function, vars(kind).values())), -1)
        return next((_function(vars(kind)[name]) for kind in kinds[here + 1 :] if name in vars(kind)), None)

    def _call(self, function: Callable | None, given: list[Modules], named: dict[str, Modules]) -> None:
        if function is not None and (code := getattr(function, "__code__", None)) is not None:
            words = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            self.follow(
                function, dict(zip(words, given, strict=False)) | {k: v for k, v in named.items() if k in words}
            )

    def _decided(self, test: ast.expr) -> bool | None:
        """Return what the model's config makes of a test, None where that depends on more."""
        match test:
            case ast.BoolOp(how, several):
                values, most = [self._decided(one) for one in several], isinstance(how, ast.Or)
                return most if most in values else None if None in values else not most
            case ast.UnaryOp(ast.Not(), inner):
                return None if (value := self._decided(inner)) is None else not value
            case ast.Attribute(ast.Name("self"), name) if self._is_fixed(name):
                return bool(self._config[name])
            case ast.Compare(ast.Attribute(ast.Name("self"), name), [how], [ast.Constant(other)]) if self._is_fixed(
                name
            ) and (compare := _COMPARISONS.get(type(how))):
                return compare(self._config[name], cast(Any, other))
        return None

    def _is_fixed(self, name: str) -> bool:
        """Return whether an attribute of self is what its constructor took over from the config."""
        owners = self._names.get("self", set())
        return name in self._config and all(vars(one).get(name, owners) == self._config[name] for one in owners)


def _function(member: Any) -> Callable | None:
    """Return the function as it was written, without decorators and what it is bound to."""
    plain = inspect.unwrap(member) if callable(member) else None
    plain = getattr(plain, "__func__", plain)
    return plain if isinstance(plain, FunctionType) else None


@cache
def _body(function: Callable) -> list[ast.stmt]:
    try:
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    except (OSError, TypeError, SyntaxError):  # made at run time, or a part of an expression
        return []
    return node.body if isinstance(node, ast.FunctionDef) else []


def _owner_of_weight(node: ast.expr) -> ast.expr | None:
    """Return what `node` is the weight of, or the data of the weight; None if it is neither."""
    match node:
        case ast.Attribute(inner, "data"):
            return _owner_of_weight(inner)
        case ast.Attribute(owner, "weight"):
            return owner
    return None


def _attribute_asked_for(node: ast.Call) -> ast.Attribute | None:
    """Return getattr(owner, "name", …) as owner.name; None for a name that is computed."""
    match node.args:
        case [owner, ast.Constant(str(name)), *_]:
            return ast.Attribute(owner, name, ast.Load())
    return None


def _literal(node: ast.expr) -> str | int | None:
    """Return the number or the name that a place in a list or a dictionary is given by, None if it is computed."""
    with contextlib.suppress(ValueError, TypeError):
        return ast.literal_eval(node)
    return None


def _key(module: nn.Module, place: Any) -> str:
    """Return the name of the part module[place]."""
    return str(place % len(module)) if isinstance(place, int) and isinstance(module, Sized) else str(place)
