"""A linear layer in FRoD's coordinates: W' = U (diag(sigma) + S) V^T (arXiv 2512.23485, Eq. 8).

Trainable: sigma [k] and the values of S [nnz], so nnz + k numbers per layer. Frozen: the base layer, the layer's own
U, and the basis (V [k, k] and the pattern of S), which all layers of a group share. On the paper's side k = n and U is
[m, n]. On the short side, a variant of ours for m < n, k = m, the factors are those of W^T, U is [n, m], and
W' = V (diag(sigma) + S) U^T. Both are W' = L (diag(sigma) + S) R.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from frod_bench.adapters import WrapsBase
from frod_bench.adapters.frod_basis import FrodBasis
from frod_bench.adapters.frod_update import UpdateGeometry, update_geometry
from frod_bench.linalg.shapes import has_data
from frod_bench.ops.frod_linear import (
    WAYS,
    choose_way,
    factored_linear,
    is_transformed,
    merge_weight,
    merged_linear,
    plain_linear,
    project,
    transform_active,
)
from frod_bench.ops.sharding import gather_full, is_sharded


class _CachedWeight(NamedTuple):
    """W', the tensors it was computed from, and the version, address and mode of W at that time."""

    merged: Tensor
    values: Tensor
    sigma: Tensor
    base: Tensor
    base_state: tuple[int, int, bool]


class FrodLinear(WrapsBase):
    """An `nn.Linear` [m, n], or transformers' `Conv1D`, adapted by FRoD.

    way: one of `ops.frod_linear.WAYS`; None chooses the cheapest one for each training step.
    dropout: acts on the input of the update alone, which only the way `residual` can do.
    recompute: the merged way forms W' again in the backward pass, which trades time for memory.
    layers_sharing_input: how many layers, this one included, read the same input over the same V.
    may_factor: whether U diag(sigma) V^T is close enough to W for the factored way (`starts_at_base`).
    short: U, sigma and the basis are those of W^T.

    Evaluation without gradients forms W' once and caches it, one extra copy of the weight, until the layer returns to
    training or sigma or S change; it then costs what the base layer costs, and before the first step equals it to the
    last bit. `cache_merged_weight` extends the cache to training.
    """

    Ut: Tensor
    sigma_initial: Tensor

    def __init__(
        self,
        base: nn.Linear,
        U: Tensor,
        sigma: Tensor,
        basis: FrodBasis,
        way: str | None = None,
        *,
        dropout: float = 0.0,
        recompute: bool = False,
        layers_sharing_input: int = 1,
        may_factor: bool = True,
        short: bool = False,
    ):
        super().__init__()
        self.base_layer, self.basis, self.short = base, basis, short
        self.way, self.dropout, self.recompute = way, dropout, recompute
        self.layers_sharing_input = layers_sharing_input
        self.ways = tuple(name for name in WAYS if name != "factored" or may_factor)
        dtype, device = base.weight.dtype, base.weight.device
        trainable_dtype = torch.promote_types(dtype, torch.float32)
        # stored as U^T, because the sparse products read its rows where m < n, and it is R on the short side
        self.register_buffer("Ut", U.to(device, dtype).T.contiguous(), persistent=False)
        initial = sigma.to(device, trainable_dtype)
        self.register_buffer("sigma_initial", initial.clone(), persistent=False)
        self.sigma = nn.Parameter(initial.clone())
        self.values = nn.Parameter(torch.zeros(basis.pattern.nnz, dtype=trainable_dtype, device=device))
        self.may_cache = True  # W', while no parameter can change
        self.expected_passes = 0  # forward passes until a parameter changes; 0: unknown
        self._merged_cache: _CachedWeight | None = None

    @property
    def U(self) -> Tensor:
        """U [m, n], on the short side [n, m]; a view of `Ut`."""
        return self.Ut.T

    @property
    def factors(self) -> tuple[Tensor, Tensor]:
        """L [m, k] and R [k, n] of W' = L (diag(sigma) + S) R."""
        return (self.basis.Vt.T, self.Ut) if self.short else (self.U, self.basis.Vt)

    @property
    def W(self) -> Tensor:
        """W [m, n], a view where the base layer stores W^T."""
        return base_weight(self.base_layer)

    def forward(self, x: Tensor) -> Tensor:
        """Return x W'^T + b [..., m] of x [..., n]."""
        device_type = x.device.type if torch.amp.is_autocast_available(x.device.type) else "cpu"
        autocast = torch.is_autocast_enabled(device_type)
        dtype = torch.get_autocast_dtype(device_type) if autocast else x.dtype
        with torch.autocast(device_type, enabled=False):
            if self._is_transformed():
                return self._plain(x, dtype)
            return self._adapted(x, dtype) if self.training else self._merged(x.to(dtype))

    def _is_transformed(self) -> bool:
        """Return whether `torch.func` or forward-mode AD has to differentiate through the layer's weight."""
        if torch.compiler.is_compiling() or not transform_active():
            return False
        if self.training or torch.is_grad_enabled():
            return True
        return any(is_transformed(t) for t in (self.values, self.sigma, self.base_layer.weight))

    def _plain(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        dropped = nn.functional.dropout(x, self.dropout, self.training)
        arguments = self.W, *self.factors, self.values, self.delta(), self.bias, self.basis.pattern
        return plain_linear(x.to(dtype), dropped.to(dtype), *arguments)

    def _adapted(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        pattern, L, (m, n) = self.basis.pattern, self.factors[0], self.W.shape
        way = "residual" if self.dropout else self.way
        if way is None:
            way = choose_way(
                x.numel() // n,
                m,
                n,
                pattern.n,
                pattern.column_cost(dtype, x.device.type),
                dtype,
                self.layers_sharing_input,
                passes=1 if self.recompute else max(self.expected_passes, 1),
                recompute=self.recompute,
                ways=self.ways,
            )
        if way == "merged":
            return self._merged(x.to(dtype))
        dropped = nn.functional.dropout(x, self.dropout) if self.dropout else x
        z = self._projected(dropped, dtype)
        shape = (*x.shape[:-1], m)
        if way == "factored":
            return factored_linear(z, L, self.values, self.sigma, pattern, self.bias).view(shape)
        update = factored_linear(z, L, self.values, self.delta(), pattern).view(shape)
        bias = None if self.bias is None else self.bias.to(dtype)
        return nn.functional.linear(x.to(dtype), self.W.to(dtype), bias) + update

    def _projected(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Return R x as columns [k, T] of x [..., n]; on the short side R is the layer's own."""
        if self.short:
            return project(x.to(dtype).reshape(-1, x.shape[-1]), self.Ut)
        return self.basis.right.project(x, dtype)

    def _merged(self, x: Tensor) -> Tensor:
        return merged_linear(
            x,
            self.W,
            *self.factors,
            self.values,
            self.delta(),
            self.bias,
            self.basis.pattern,
            self._cached_merged_weight(),
            self.recompute and self.training,
        )

    def delta(self) -> Tensor:
        """Return sigma - sigma_initial [k]."""
        return self.sigma - self.sigma_initial

    @torch.no_grad()
    def merged_weight(self) -> Tensor:
        """Return W' [m, n] as a new tensor."""
        return merge_weight(self.W, *self.factors, self.values, self.delta(), self.basis.pattern)

    def _cached_merged_weight(self) -> Tensor | None:
        """Return the cached W' [m, n], forming it if due; None where a parameter may change between two passes."""
        if torch.compiler.is_compiling():
            return None
        if not self.may_cache or not (self.expected_passes or not (self.training or torch.is_grad_enabled())):
            self._merged_cache = None
            return None
        if self.training and self.recompute:
            return None
        base = self.base_layer.weight.detach()  # a tensor made in inference mode cannot be differentiated
        state = (self.base_layer.weight._version, base.data_ptr(), torch.is_inference_mode_enabled())
        cached = self._merged_cache  # read once, as another thread may replace or drop it at any time
        if cached is None or cached.base_state != state or not self._is_current(cached):
            values, sigma = self.values.detach().clone(), self.sigma.detach().clone()
            self._merged_cache = cached = _CachedWeight(self.merged_weight(), values, sigma, base, state)
        return cached.merged

    def _is_current(self, cached: _CachedWeight) -> bool:
        """Return whether sigma and S still have the values that W' was formed from.

        Values are compared, because a fused optimizer changes neither the version nor the address of a parameter.
        """
        if self.expected_passes or not has_data(self.sigma):
            return True
        return torch.equal(cached.sigma, self.sigma) and torch.equal(cached.values, self.values)

    def train(self, mode: bool = True):
        self._merged_cache = None
        return super().train(mode)

    def cache_merged_weight(self, expected_passes: int) -> None:
        """Cache W' without checking it, on the promise that no parameter changes for about `expected_passes` passes.

        0 ends the promise. The number enters the choice of the cheapest way.
        """
        self.expected_passes, self._merged_cache = expected_passes if self.may_cache else 0, None

    def prepare_for_sharding(self) -> None:
        """Turn U^T into a frozen parameter, so that FSDP can shard it, and stop caching W'."""
        Ut = self.Ut
        del self._buffers["Ut"]
        self._non_persistent_buffers_set.discard("Ut")
        self.register_parameter("Ut", nn.Parameter(Ut, requires_grad=False))
        self.may_cache, self.recompute, self._merged_cache = False, True, None

    def _apply(self, fn, recurse=True):
        self._merged_cache = None
        return super()._apply(fn, recurse)

    def __getstate__(self):  # for copies and pickles
        return self.__dict__ | {"_merged_cache": None}

    def get_extra_state(self) -> Tensor:
        """Return sketches of V^T and the pattern of S [k + 1]: values in a state dict mean nothing in another basis."""
        return self.basis.sketch()

    def set_extra_state(self, state: Tensor) -> None:
        """Do nothing: `_load_from_state_dict` compares the sketches, and U, V and the pattern stay as they are."""

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing, unexpected, errors):
        given, own = state_dict.get(f"{prefix}base_layer.weight"), self.base_layer.weight
        if given is not None and not (is_sharded(own) or torch.equal(given.to(own), own)):
            errors.append(
                f"{prefix}base_layer.weight is not the weight that FRoD's U and V were made from: load the base"
                " weights first, then attach."
            )
        sketch, own = state_dict.get(f"{prefix}_extra_state"), self.get_extra_state()
        if sketch is not None and not (sketch.shape == own.shape and torch.allclose(sketch.cpu(), own, 1e-3, 1e-4)):
            errors.append(
                f"{prefix}values belong to another basis or pattern of S: attach with the same options and seed."
            )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)

    def has_zero_gradient(self) -> bool:
        """Return whether sigma and S get no gradient, because U or V is zero."""
        return has_data(self.Ut) and not (self.Ut.any() and self.basis.Vt.any())

    def geometry(self) -> UpdateGeometry:
        """Return the geometry of the update; see `UpdateGeometry`."""
        factors = (gather_full(factor).to(self.basis.Vt.device) for factor in self.factors)
        return update_geometry(*factors, self.basis.pattern, self.values, self.sigma, self.sigma_initial)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, nnz={self.basis.pattern.nnz}"


def base_weight(base: nn.Linear) -> Tensor:
    """Return W [m, n] of an `nn.Linear` or of a `Conv1D`, which stores it as [n, m]."""
    return base.weight if isinstance(base, nn.Linear) else base.weight.T
