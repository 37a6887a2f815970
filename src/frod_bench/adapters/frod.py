"""A linear layer in FRoD's coordinates: W' = U (diag(sigma) + S) V^T (arXiv 2512.23485, Eq. 8).

Trainable: sigma [k] and the values of S [nnz], so nnz + k numbers per layer. Frozen: the base layer, the layer's own
U, and the basis (V [k, k] and the pattern of S), which all layers of a group share. On the paper's side k = n and U is
[m, n]. On the short side, a variant of ours for m < n, k = m, the factors are those of W^T, U is [n, m], and
W' = V (diag(sigma) + S) U^T. Both are W' = L (diag(sigma) + S) R.
"""

import torch
from torch import Tensor, nn

from frod_bench.adapters import WrapsBase, base_weight
from frod_bench.adapters.cast_copies import CastCopies
from frod_bench.adapters.formed_weight import FormedWeight
from frod_bench.adapters.frod_basis import FrodBasis
from frod_bench.adapters.frod_update import UpdateGeometry, update_geometry
from frod_bench.linalg.shapes import has_data
from frod_bench.ops.diag_sparse import Pattern
from frod_bench.ops.frod_linear import (
    RIGHT_WAYS,
    choose_way,
    factored_linear,
    is_transformed,
    merge_weight,
    merged_linear,
    needs_U,
    plain_linear,
    right_factor,
    right_merged,
    right_residual,
    sampled_gradients,
    transform_active,
    ways_of_layer,
)
from frod_bench.ops.sharding import gather_full, is_sharded


class FrodLinear(WrapsBase):
    """An `nn.Linear` [m, n], or transformers' `Conv1D`, adapted by FRoD.

    way: one of `ops.frod_linear.WAYS`; None chooses the cheapest one for each training step. A right way is replaced by
        its counterpart where the layer has no such form. A layer that takes right ways alone does not store U.
    dropout: acts on the input of the update alone, which only the way `residual` can do.
    recompute: the merged way forms W' again in the backward pass, which trades time for memory.
    layers_sharing_input: how many layers, this one included, read the same input over the same V.
    error, right_error: the relative errors that `ways_of_layer` reads.
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
        error: float = 0.0,
        right_error: float = 1.0,
        short: bool = False,
    ):
        super().__init__()
        self.base_layer, self.basis, self.short = base, basis, short
        self.dropout, self.recompute = dropout, recompute
        self.layers_sharing_input = layers_sharing_input
        dtype, device = base.weight.dtype, base.weight.device
        m, n = self.W.shape
        self.ways = ways_of_layer(m, n, dtype, error, right_error, way)
        self.way = self.ways[0] if way else None
        trainable_dtype = torch.promote_types(dtype, torch.float32)
        # stored as U^T, because the sparse products read its rows where m < n, and it is R on the short side
        Ut = U.to(device, dtype).T.contiguous() if needs_U(self.ways) else None
        self.register_buffer("Ut", Ut, persistent=False)
        initial = sigma.to(device, trainable_dtype)
        self.register_buffer("sigma_initial", initial.clone(), persistent=False)
        self.sigma = nn.Parameter(initial.clone())
        self.values = nn.Parameter(torch.zeros(basis.pattern.nnz, dtype=trainable_dtype, device=device))
        self.formed = FormedWeight()
        self._casts = CastCopies()
        self._dtype = dtype  # that the last pass with W' or D computed in
        self._scales: tuple[Tensor, Tensor] | None = None  # 1 / sigma_initial of each value [nnz] and component [k]
        self._chosen: dict[tuple, str] = {}  # the cheapest way by tokens, dtype, device and passes

    @property
    def U(self) -> Tensor:
        """U [m, n], on the short side [n, m]; a view of `Ut`, or computed where that is not stored."""
        if self.Ut is not None:
            return self.Ut.t()
        inverse = self.basis.right.inverse
        return ((self.W.T if self.short else self.W) @ inverse) / self.sigma_initial.to(inverse.dtype)

    @property
    def factors(self) -> tuple[Tensor, Tensor]:
        """L [m, k] and R [k, n] of W' = L (diag(sigma) + S) R."""
        return (self.basis.Vt.t(), self.U.t()) if self.short else (self.U, self.basis.Vt)

    def _factors_in(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return L and R for a step in `dtype`, cast once where U is in memory as a whole."""
        Ut = self.Ut
        if Ut is None or not self.formed.allowed:
            return self.factors
        Vt, Ut = self.basis.right.in_dtype("Vt", dtype), self._casts.get("Ut", Ut, dtype)
        return (Vt.t(), Ut) if self.short else (Ut.t(), Vt)

    @property
    def W(self) -> Tensor:
        """W [m, n], a view where the base layer stores W^T."""
        return base_weight(self.base_layer)

    def forward(self, x: Tensor) -> Tensor:
        """Return x W'^T + b [..., m] of x [..., n]."""
        device_type = x.device.type if torch.amp.is_autocast_available(x.device.type) else "cpu"
        autocast = torch.is_autocast_enabled(device_type)
        if not autocast:
            return self._computed(x, x.dtype)
        with torch.autocast(device_type, enabled=False):
            return self._computed(x, torch.get_autocast_dtype(device_type))

    def _computed(self, x: Tensor, dtype: torch.dtype) -> Tensor:
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
        pattern, (m, n) = self.basis.pattern, self.W.shape
        way = "residual" if self.dropout else self.way or self._cheapest_way(x.numel() // n, dtype, x.device.type)
        if way == "merged":
            return self._merged(x.to(dtype))
        if way in RIGHT_WAYS:
            return self._right(x.to(dtype), way)
        dropped = nn.functional.dropout(x, self.dropout) if self.dropout else x
        L, own = self._factors_in(dtype)
        shares = self.layers_sharing_input > 1
        z = self.basis.right.project(dropped, dtype) if shares else dropped.to(dtype).reshape(-1, n)
        R = None if shares else own
        shape = (*x.shape[:-1], m)
        if way == "factored":
            return factored_linear(z, L, self.values, self.sigma, pattern, self.bias, R).view(shape)
        update = factored_linear(z, L, self.values, self.delta(), pattern, R=R).view(shape)
        bias = None if self.bias is None else self.bias.to(dtype)
        return nn.functional.linear(x.to(dtype), self.W.to(dtype), bias) + update

    def _cheapest_way(self, tokens: int, dtype: torch.dtype, device_type: str) -> str:
        """Return the cheapest of the layer's ways, remembered by what it depends on: to add up takes 30 us."""
        passes = 1 if self.recompute else max(self.formed.expected_passes, 1)
        summed = self.formed.sums_gradients
        key = (tokens, dtype, device_type, passes, summed)
        compiling = torch.compiler.is_compiling()  # then `tokens` may be a symbol
        if not compiling and key in self._chosen:
            return self._chosen[key]
        m, n = self.W.shape
        way = choose_way(
            tokens,
            m,
            n,
            self.basis.pattern.n,
            self.basis.pattern.column_cost(dtype, device_type),
            dtype,
            self.layers_sharing_input,
            passes=passes,
            recompute=self.recompute,
            summed=summed,
            ways=self.ways,
        )
        if not compiling:
            self._chosen[key] = way
        return way

    def _merged(self, x: Tensor) -> Tensor:
        self._dtype = x.dtype
        return merged_linear(
            x,
            self.W,
            *(self._factors_in(x.dtype) if self.training else self.factors),
            self.values,
            self.delta(),
            self.bias,
            self.basis.pattern,
            self.formed.get(self, self.merged_weight),
            self.recompute and self.training,
        )

    def _right(self, x: Tensor, way: str) -> Tensor:
        W, bias = self.W.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype)
        if not self.short:
            return nn.functional.linear(self._moved(x, None, way), W, bias)
        return self._moved(nn.functional.linear(x, W, bias), bias, way)

    def _moved(self, t: Tensor, offset: Tensor | None, way: str) -> Tensor:
        """Return t + D (t - offset) [..., k]."""
        if way == "right_merged":
            self._dtype = t.dtype
            return right_merged(t, offset, *self._right_arguments(t.dtype), self.formed.get(self, self.right_factor))
        return right_residual(t, offset, *self._right_arguments(t.dtype))

    def _right_arguments(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor, Pattern]:
        """Return A and B [k, k], the values [nnz] and the diagonal [k] of D = A M B, and the pattern of M."""
        pattern, right = self.basis.pattern, self.basis.right
        Vt, inverse = right.in_dtype("Vt", dtype), right.in_dtype("inverse", dtype)
        A, B = (Vt.t(), inverse.t()) if self.short else (inverse, Vt)
        of_values, of_diagonal = self._right_scales()
        return A, B, self.values * of_values, self.delta() * of_diagonal, pattern

    def _right_scales(self) -> tuple[Tensor, Tensor]:
        """Return 1 / sigma_initial of each value [nnz] and component [k]; kept, except for what a compiler traces."""
        if self._scales is not None:
            return self._scales
        pattern, scale = self.basis.pattern, self.sigma_initial.reciprocal()
        scales = scale[pattern.cols if self.short else pattern.rows], scale
        if not torch.compiler.is_compiling():
            self._scales = scales
        return scales

    @torch.no_grad()
    def right_factor(self) -> Tensor:
        """Return D [k, k] of W' = W (I + D), on the short side of W' = (I + D) W, as a new tensor."""
        return right_factor(*self._right_arguments(self.basis.Vt.dtype))

    def delta(self) -> Tensor:
        """Return sigma - sigma_initial [k]."""
        return self.sigma - self.sigma_initial

    @torch.no_grad()
    def merged_weight(self) -> Tensor:
        """Return W' [m, n] as a new tensor."""
        return merge_weight(self.W, *self.factors, self.values, self.delta(), self.basis.pattern)

    def train(self, mode: bool = True):
        self.formed.held = None
        return super().train(mode)

    def cache_merged_weight(self, expected_passes: int, sum_gradients: bool = False) -> None:
        """Cache W' or D without checking it, as no parameter is to change for about `expected_passes` passes.

        0 ends that promise. The number enters the choice of the cheapest way. With `sum_gradients`, the merged ways
        give sigma and S no gradient in these passes but sum that of W' or D; `add_summed_gradient` then samples it.
        """
        self.formed.expect(expected_passes, sum_gradients and not self.recompute)

    def add_summed_gradient(self) -> None:
        """Add to the gradients of sigma and S what W' or D has summed since `cache_merged_weight`."""
        if (summed := self.formed.summed_gradient()) is None:
            return
        form, gradient = summed
        if form == self.right_factor:
            L, R, values, delta, _ = self._right_arguments(self._dtype)
        else:
            (L, R), values, delta = self._factors_in(self._dtype), self.values, self.delta()
        sampled = sampled_gradients(gradient.to(self._dtype), L.to(self._dtype), R.to(self._dtype), self.basis.pattern)
        torch.autograd.backward([values, delta], [gradient.to(values.dtype) for gradient in sampled])

    def prepare_for_sharding(self) -> None:
        """Turn U^T into a frozen parameter, so that FSDP can shard it, and stop caching W'."""
        if (Ut := self._buffers.pop("Ut")) is not None:
            Ut = nn.Parameter(Ut, requires_grad=False)
        self._non_persistent_buffers_set.discard("Ut")
        self.register_parameter("Ut", Ut)
        self.recompute = True
        self.formed.forbid()

    def _apply(self, fn, recurse=True):
        self.formed.held, self._casts, self._scales = None, CastCopies(), None
        return super()._apply(fn, recurse)

    def __getstate__(self):  # for copies and pickles
        return self.__dict__ | {"_chosen": {}, "_scales": None}

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
        own = self.weight if self.Ut is None else self.Ut
        return has_data(own) and not (own.any() and self.basis.Vt.any())

    def geometry(self) -> UpdateGeometry:
        """Return the geometry of the update; see `UpdateGeometry`."""
        L, R = (gather_full(factor).to(self.basis.Vt.device) for factor in self.factors)
        return update_geometry(L, R, self.basis.pattern, self.values, self.sigma, self.sigma_initial)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, nnz={self.basis.pattern.nnz}"
