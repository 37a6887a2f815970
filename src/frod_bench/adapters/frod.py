"""A linear layer in FRoD's coordinates: W' = U (diag(sigma) + S) V^T (arXiv 2512.23485, Eq. 8).

Trainable: sigma [n] and the values of S [nnz], so nnz + n numbers a layer. Frozen: the base layer, U
[m, n] of its own, and the basis (V [n, n] and the pattern of S), which all layers of a group share.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from frod_bench.adapters import BesideBase
from frod_bench.adapters.frod_basis import FrodBasis
from frod_bench.adapters.frod_update import UpdateGeometry, update_geometry
from frod_bench.linalg.shapes import has_data
from frod_bench.ops.frod_linear import (
    choose_way,
    factored_linear,
    is_transformed,
    merge_weight,
    merged_linear,
    plain_linear,
    transform_active,
)
from frod_bench.ops.sharding import gather_full, is_sharded


class _Kept(NamedTuple):
    """W', and the tensors that it was made of, with the state that W was in."""

    merged: Tensor
    values: Tensor
    sigma: Tensor
    base: Tensor
    base_state: tuple[int, int, bool]


class FrodLinear(BesideBase):
    """An `nn.Linear` [m, n], or transformers' `Conv1D`, adapted by FRoD.

    In training the cheapest way of `ops.frod_linear` is taken unless `way` names one, the factored one only where it
    `may_factor`, that is where U diag(sigma) V^T is near enough to W; with `dropout`, which acts
    on the input of the update alone, that is `residual`. `recompute` trades time for memory in the merged way.
    In evaluation without gradients W' is formed once and kept, one extra copy of the weight, until the layer
    goes back to training or sigma or S have other values; it costs what the base layer costs and equals it to the last
    bit before the first step. After `fix` no parameter may change, and W' is kept over all forward passes unseen.
    """

    def __init__(
        self,
        base: nn.Module,
        U: Tensor,
        sigma: Tensor,
        basis: FrodBasis,
        way: str | None = None,
        *,
        dropout: float = 0.0,
        recompute: bool = False,
        sharers: int = 1,
        may_factor: bool = True,
    ):
        super().__init__()
        self.base_layer, self.basis = base, basis
        self.way, self.dropout, self.recompute, self.sharers = way, dropout, recompute, sharers
        self.may_factor = may_factor
        dtype, device = base.weight.dtype, base.weight.device
        trainable_dtype = torch.promote_types(dtype, torch.float32)
        # the sparse products read U^T by rows where m < n
        self.register_buffer("Ut", U.to(device, dtype).T.contiguous(), persistent=False)
        initial = sigma.to(device, trainable_dtype)
        self.register_buffer("sigma_initial", initial.clone(), persistent=False)
        self.sigma = nn.Parameter(initial.clone())
        self.values = nn.Parameter(torch.zeros(basis.pattern.nnz, dtype=trainable_dtype, device=device))
        self.keeps = True  # W', where it may be
        self.passes = 0  # to come before a parameter changes; 0 where that is not known
        self._kept: _Kept | None = None

    @property
    def U(self) -> Tensor:
        """U [m, n], a view."""
        return self.Ut.T

    @property
    def W(self) -> Tensor:
        """W [m, n], a view where the base layer keeps its transpose."""
        return base_weight(self.base_layer)

    def forward(self, x: Tensor) -> Tensor:
        """Return x W'^T + b [..., m] of x [..., n]."""
        device_type = x.device.type if torch.amp.is_autocast_available(x.device.type) else "cpu"
        autocast = torch.is_autocast_enabled(device_type)
        dtype = torch.get_autocast_dtype(device_type) if autocast else x.dtype
        with torch.autocast(device_type, enabled=False):
            if self._seen_by_a_transform():
                return self._plain(x, dtype)
            return self._adapted(x, dtype) if self.training else self._merged(x.to(dtype))

    def _seen_by_a_transform(self) -> bool:
        """Return whether `torch.func` or forward-mode differentiation would have to see through the layer's weight."""
        if torch.compiler.is_compiling() or not transform_active():
            return False
        if self.training or torch.is_grad_enabled():
            return True
        return any(is_transformed(t) for t in (self.values, self.sigma, self.base_layer.weight))

    def _plain(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        dropped = nn.functional.dropout(x, self.dropout, self.training)
        arguments = self.weight, self.U, self.basis.Vt, self.values, self.delta(), self.bias, self.basis.pattern
        return plain_linear(x.to(dtype), dropped.to(dtype), *arguments)

    def _adapted(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        pattern, (m, n) = self.basis.pattern, self.U.shape
        way = "residual" if self.dropout else self.way
        if way is None:
            column = pattern.column_cost(dtype, x.device.type)
            lasts = 1 if self.recompute else max(self.passes, 1)
            sizes = x.numel() // n, m, n, column
            way = choose_way(*sizes, dtype, self.sharers, lasts, self.recompute, self.may_factor)
        if way == "merged":
            return self._merged(x.to(dtype))
        dropped = nn.functional.dropout(x, self.dropout) if self.dropout else x
        z = self.basis.right.project(dropped, dtype)
        shape = (*x.shape[:-1], m)
        if way == "factored":
            return factored_linear(z, self.U, self.values, self.sigma, pattern, self.bias).view(shape)
        update = factored_linear(z, self.U, self.values, self.delta(), pattern).view(shape)
        bias = None if self.bias is None else self.bias.to(dtype)
        return nn.functional.linear(x.to(dtype), self.W.to(dtype), bias) + update

    def _merged(self, x: Tensor) -> Tensor:
        return merged_linear(
            x,
            self.W,
            self.U,
            self.basis.Vt,
            self.values,
            self.delta(),
            self.bias,
            self.basis.pattern,
            self._kept_weight(),
            self.recompute and self.training,
        )

    def delta(self) -> Tensor:
        """Return sigma - sigma_initial [n]."""
        return self.sigma - self.sigma_initial

    @torch.no_grad()
    def merged_weight(self) -> Tensor:
        """Return W' [m, n] as a new tensor."""
        return merge_weight(self.W, self.U, self.basis.Vt, self.values, self.delta(), self.basis.pattern)

    def _kept_weight(self) -> Tensor | None:
        """Return W' where it may be kept, which is while nothing can step between two forward passes."""
        if torch.compiler.is_compiling():
            return None
        if not self.keeps or not (self.passes or not (self.training or torch.is_grad_enabled())):
            self._kept = None
            return None
        if self.training and self.recompute:
            return None
        base = self.base_layer.weight.detach()  # what is made in inference mode cannot be differentiated
        state = (self.base_layer.weight._version, base.data_ptr(), torch.is_inference_mode_enabled())
        kept = self._kept  # read once, as another thread may replace or drop it at any time
        if kept is None or kept.base_state != state or not self._as_kept(kept):
            values, sigma = self.values.detach().clone(), self.sigma.detach().clone()
            self._kept = kept = _Kept(self.merged_weight(), values, sigma, base, state)
        return kept.merged

    def _as_kept(self, kept: _Kept) -> bool:
        """Return whether sigma and S are those of W'; fused optimizers change neither their version nor their place."""
        if self.passes or not has_data(self.sigma):
            return True
        return torch.equal(kept.sigma, self.sigma) and torch.equal(kept.values, self.values)

    def train(self, mode: bool = True):
        self._kept = None
        return super().train(mode)

    def fix(self, passes: int) -> None:
        """Promise that no parameter changes over so many forward passes, about; 0 takes the promise back."""
        self.passes, self._kept = passes if self.keeps else 0, None

    def hold_as_parameters(self) -> None:
        """Hold U^T as a frozen parameter, which an engine can split over processes; no W' outlives its use then."""
        Ut = self._buffers.pop("Ut")
        self._non_persistent_buffers_set.discard("Ut")
        self.register_parameter("Ut", nn.Parameter(Ut, requires_grad=False))
        self.keeps, self.recompute, self._kept = False, True, None

    def _apply(self, fn, recurse=True):
        self._kept = None
        return super()._apply(fn, recurse)

    def __getstate__(self):  # for copies and pickles
        return self.__dict__ | {"_kept": None}

    def get_extra_state(self) -> Tensor:
        """Return sketches of V^T and of the pattern of S, without which the values in a state dict mean nothing."""
        return self.basis.sketch()

    def set_extra_state(self, state: Tensor) -> None:
        """Do nothing: U, V and the pattern stay; see `_load_from_state_dict`."""

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

    def stands_still(self) -> bool:
        """Return whether no value of sigma or S makes a difference, as U or V is zero."""
        return has_data(self.Ut) and not (self.Ut.any() and self.basis.Vt.any())

    def geometry(self) -> UpdateGeometry:
        """Return what the update looks like; see `UpdateGeometry`."""
        U, Vt = gather_full(self.Ut).to(self.basis.Vt.device).T, self.basis.Vt
        return update_geometry(U, Vt, self.basis.pattern, self.values, self.sigma, self.sigma_initial)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, nnz={self.basis.pattern.nnz}"


def base_weight(base: nn.Module) -> Tensor:
    """Return W [m, n] of an `nn.Linear` or of a `Conv1D`, which stores it as [n, m]."""
    return base.weight if isinstance(base, nn.Linear) else base.weight.T
