"""FRoD's groups: which layers share a basis, on which side of their weights, and the factors of every layer."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn
from tqdm.auto import tqdm

from frod_bench.adapters import base_weight
from frod_bench.adapters.frod_basis import FrodBasis, RightBasis
from frod_bench.linalg.joint import decomposition_cost
from frod_bench.linalg.joint_stored import stored_joint_factors
from frod_bench.linalg.right_inverse import NO_FORM
from frod_bench.linalg.shapes import has_data
from frod_bench.module_names import category
from frod_bench.ops.diag_sparse import Pattern
from frod_bench.ops.frod_linear import has_right_form

BASES = ("category", "global", "peft")
SIDES = ("input", "short")
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left"
Shape = tuple[int, int]  # m outputs, n inputs


class Coordinates(NamedTuple):
    """The factors of one layer; on the short side those of W^T, so that U is [n, k]."""

    name: str
    U: Tensor  # [m, k]
    sigma: Tensor  # [k]
    basis: FrodBasis
    error: float  # of U diag(sigma) V^T, relative
    right_error: float  # of W V^-T Sigma^-1, relative to U; 1 where there is no such form
    short: bool = False


def layer_shapes(layers: Mapping[str, nn.Linear]) -> dict[str, Shape]:
    """Return [m, n] of every layer, also of a `Conv1D`, which stores its weight transposed."""
    weights = {name: base_weight(layer) for name, layer in layers.items()}
    return {name: (weight.shape[0], weight.shape[1]) for name, weight in weights.items()}


@dataclass(frozen=True)
class Grouping:
    """How the options `basis` and `side` divide target layers into groups that share a basis."""

    basis: str
    side: str

    def is_short(self, shape: Shape) -> bool:
        """Return whether a layer [m, n] is decomposed as W^T."""
        return self.side == "short" and shape[0] < shape[1]

    def width(self, shape: Shape) -> int:
        """Return k, the size of V and of S, of a layer [m, n]."""
        return shape[0] if self.is_short(shape) else shape[1]

    def groups(self, shapes: dict[str, Shape]) -> dict[str, list[str]]:
        """Return the layers that share a basis, by the name of their group; `shapes` holds [m, n] of every layer."""
        groups: dict[str, list[str]] = {}
        for name, (m, n) in shapes.items():
            if self.is_short((m, n)):
                key = f"{category(name)}:outputs:{m}" if self.basis == "category" else f"outputs:{m}"
            else:
                key = f"{category(name)}:{n}" if self.basis == "category" else f"inputs:{n}"
            groups.setdefault(key, []).append(name)
        return groups

    def blocks(self, names: list[str]) -> list[int] | None:
        """Return the block of Eq. 3's average for each layer of a group; None if every layer is its own block.

        basis=global takes categories as blocks, unless there is only one, whose average would leave V undetermined.
        """
        kinds = sorted({category(name) for name in names})
        return [kinds.index(category(name)) for name in names] if self.basis == "global" and len(kinds) > 1 else None

    def layers_sharing_input(self, shapes: dict[str, Shape]) -> dict[str, int]:
        """Return how many layers share each layer's input and V^T; children of one module are taken to share theirs."""
        if self.basis != "global":
            return dict.fromkeys(shapes, 1)
        on_input = {name: n for name, (m, n) in shapes.items() if not self.is_short((m, n))}
        siblings = Counter((name.rpartition(".")[0], n) for name, n in on_input.items())
        return dict.fromkeys(shapes, 1) | {name: siblings[name.rpartition(".")[0], n] for name, n in on_input.items()}

    def decomposition_cost(self, shapes: list[Shape]) -> float:
        """Return about what a group of layers costs to decompose, in the units of `joint.decomposition_cost`."""
        longer = [max(shape) if self.is_short(shape) else shape[0] for shape in shapes]
        return decomposition_cost(self.width(shapes[0]), sum(longer))

    def coordinates(
        self, layers: dict[str, nn.Linear], draw: Callable[[int, int, str], Pattern], pi: float, seed: int
    ) -> Iterator[Coordinates]:
        """Yield the factors of every layer, group by group, with the pattern `draw(k, seed, name)` of a category.

        A bar on a terminal shows the time left, by the cost of the groups.
        """
        weights = {name: base_weight(layer).detach() for name, layer in layers.items()}
        shapes = layer_shapes(layers)
        groups = list(self.groups(shapes).values())
        costs = [self.decomposition_cost([shapes[name] for name in names]) for names in groups]
        bar = tqdm(total=sum(costs), desc="FRoD basis", bar_format=_BAR, disable=None, leave=False)
        for names, cost in zip(groups, costs, strict=True):
            short = self.is_short(shapes[names[0]])
            group = [weights[name].T if short else weights[name] for name in names]
            factors = stored_joint_factors(names, group, self.blocks(names), pi)
            bar.update(cost)
            device = group[0].device
            errors, right_errors = (_numbers(factors[key]) for key in ("errors", "right_errors"))
            tall = [weight.shape[0] > weight.shape[1] for weight in group]
            right_errors = [e if tall[i] and "inverse" in factors else NO_FORM for i, e in enumerate(right_errors)]
            usable = any(has_right_form(error, group[0].dtype) for error in right_errors)
            right = RightBasis(factors["Vt"].to(device), factors["inverse"].to(device) if usable else None)
            kinds = [category(name) for name in names]
            bases = {c: FrodBasis(right, draw(len(right.Vt), seed, c)) for c in set(kinds)}
            for i, name in enumerate(names):
                U, sigma = factors[f"Ut.{i}"].T, factors[f"sigma.{i}"]
                yield Coordinates(name, U, sigma, bases[kinds[i]], errors[i], right_errors[i], short)
        bar.close()


def _numbers(tensor: Tensor) -> list[float]:
    return tensor.tolist() if has_data(tensor) else [0.0] * len(tensor)
