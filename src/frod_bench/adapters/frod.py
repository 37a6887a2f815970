"""A linear layer in FRoD's coordinates: W' = U (diag(sigma) + S) V^T (arXiv 2512.23485, Eq. 8).

Trainable: sigma [n] and the values of S [nnz], so nnz + n numbers a layer. Frozen: the base layer, U
[m, n] of its own, and the basis (V [n, n] and the pattern of S), which all layers of a group share.
"""

import torch
from torch import Tensor, nn

from frod_bench.ops.frod_linear import choose_way, factored_linear, merge_weight, merged_linear
from frod_bench.ops.rotation import Pattern, rotate


class FrodBasis(nn.Module):
    """What the layers of one group share: V^T [n, n] and the pattern of S. Held once, moved once."""

    def __init__(self, Vt: Tensor, pattern: Pattern):
        super().__init__()
        self.register_buffer("Vt", Vt.contiguous(), persistent=False)
        self.pattern = pattern.to(Vt.device)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        self.pattern = self.pattern.to(self.Vt.device)
        return self


class FrodLinear(nn.Module):
    """An `nn.Linear` [m, n] adapted by FRoD.

    In training the cheapest way of `ops.frod_linear` is taken unless `way` names one. In evaluation without
    gradients W' is formed once and kept, one extra copy of the weight, until the layer goes back to training;
    it costs what the base layer costs and equals it to the last bit before the first step.
    """

    def __init__(self, base: nn.Linear, U: Tensor, sigma: Tensor, basis: FrodBasis, way: str | None = None):
        super().__init__()
        self.base_layer = base
        self.basis = basis
        self.way = way
        dtype, device = base.weight.dtype, base.weight.device
        trainable_dtype = torch.promote_types(dtype, torch.float32)
        U = U.to(device, dtype)
        # the sparse products read U^T by rows where m < n, and U is laid out for that
        U = U.T.contiguous().T if U.shape[0] < U.shape[1] else U.contiguous()
        self.register_buffer("U", U, persistent=False)
        initial = sigma.to(device, trainable_dtype)
        self.register_buffer("sigma_initial", initial.clone(), persistent=False)
        self.sigma = nn.Parameter(initial.clone())
        self.values = nn.Parameter(torch.zeros(basis.pattern.nnz, dtype=trainable_dtype, device=device))
        self._kept: tuple[tuple, Tensor] | None = None

    @property
    def weight(self) -> Tensor:
        return self.base_layer.weight

    @property
    def bias(self) -> Tensor | None:
        return self.base_layer.bias

    @property
    def in_features(self) -> int:
        return self.base_layer.in_features

    @property
    def out_features(self) -> int:
        return self.base_layer.out_features

    def forward(self, x: Tensor) -> Tensor:
        """Return x W'^T + b [..., m] of x [..., n]."""
        device_type = x.device.type
        autocast = torch.is_autocast_enabled(device_type)
        dtype = torch.get_autocast_dtype(device_type) if autocast else x.dtype
        with torch.autocast(device_type, enabled=False):
            tokens = x.to(dtype).reshape(-1, self.in_features)
            return self._linear(tokens).reshape(*x.shape[:-1], self.out_features)

    def _linear(self, x: Tensor) -> Tensor:
        pattern, Vt = self.basis.pattern, self.basis.Vt
        if not self.training:
            return merged_linear(
                x,
                self.weight,
                self.U,
                Vt,
                self.values,
                self.delta(),
                self.bias,
                pattern,
                self._evaluation_weight(),
            )
        m, n = self.weight.shape
        way = self.way or choose_way(x.shape[0], m, n, pattern.nnz, x.dtype)
        if way == "merged":
            return merged_linear(x, self.weight, self.U, Vt, self.values, self.delta(), self.bias, pattern)
        U, Vt = self.U.to(x.dtype), Vt.to(x.dtype)
        bias = None if self.bias is None else self.bias.to(x.dtype)
        if way == "residual":
            correction = factored_linear(x, U, Vt, self.values, self.delta(), pattern)
            return nn.functional.linear(x, self.weight.to(x.dtype), bias) + correction
        return factored_linear(x, U, Vt, self.values, self.sigma, pattern, bias)

    def delta(self) -> Tensor:
        """Return sigma - sigma_initial [n]."""
        return self.sigma - self.sigma_initial

    @torch.no_grad()
    def merged_weight(self) -> Tensor:
        """Return W' [m, n] as a new tensor."""
        return merge_weight(self.weight, self.U, self.basis.Vt, self.values, self.delta(), self.basis.pattern)

    def _evaluation_weight(self) -> Tensor:
        if torch.is_grad_enabled():  # a step may follow, and a fused one leaves the versions as they are
            self._kept = None
            return self.merged_weight()
        key = (self.values._version, self.sigma._version, self.values.data_ptr(), self.sigma.data_ptr())
        if self._kept is None or self._kept[0] != key:
            self._kept = (key, self.merged_weight())
        return self._kept[1]

    def train(self, mode: bool = True):
        self._kept = None
        return super().train(mode)

    def _apply(self, fn, recurse=True):
        self._kept = None
        return super()._apply(fn, recurse)

    @torch.no_grad()
    def update_norms(self) -> tuple[float, float, float]:
        """Return ||U S V^T||_F, ||U diag(delta) V^T||_F and the cosine between the two (0 where one is zero).

        Corollary 2 of the paper states a cosine of 0; with U and V not orthogonal it is only near it.
        """
        U, Vt, pattern = self.U.double(), self.basis.Vt.double(), self.basis.pattern
        values, delta = self.values.double(), self.delta().double()
        off = U @ rotate(pattern, values, torch.zeros_like(delta), Vt)
        on = (U * delta) @ Vt
        off_norm, on_norm = off.norm().item(), on.norm().item()
        product = off_norm * on_norm
        return off_norm, on_norm, (off * on).sum().item() / product if product else 0.0

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, nnz={self.basis.pattern.nnz}"
