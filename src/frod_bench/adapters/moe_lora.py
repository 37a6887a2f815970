"""A mixture of low-rank experts beside a frozen linear layer (GOAT: Fan et al. 2025, arXiv 2502.16894).

With E experts of rank d, r = E d, and p = softmax(R x) over the experts, the top k of p renormalised to w:

    y = W x + b + s sum_i w_i B_i A_i x = W x + b + s B (w' * (A x)),   w' in [r]: w_i repeated d times

so all experts together take two products, and the routing is a scale between them.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from frod_bench.adapters import WrapsBase


class Routing(NamedTuple):
    """Where the tokens of one forward pass went.

    hits [E]: how often each expert was chosen. share [E]: its mean probability, through which gradients flow.
    """

    hits: Tensor
    share: Tensor

    def with_tokens_of(self, other: "Routing") -> "Routing":
        """Return the routing of the tokens of both."""
        own, more = self.hits.sum(), other.hits.sum()
        share = (own * self.share + more * other.share) / (own + more).clamp_min(1.0)
        return Routing(self.hits + other.hits, share)


class MoeLoraLinear(WrapsBase):
    """Trainable: A [r, n], B [m, r] and the router R [E, n]. The base layer is frozen.

    A forward pass in training stores its `routing`, for `pop_routing` to collect: that of all its calls, where blocks
    share a layer, as in ALBERT. `forget_routing` says that a new one begins.
    """

    def __init__(
        self, base: nn.Linear, A: Tensor, B: Tensor, router: Tensor, scale: float, top_k: int, dropout: float = 0.0
    ):
        super().__init__()
        self.base_layer = base
        dtype, device = torch.promote_types(base.weight.dtype, torch.float32), base.weight.device
        self.A, self.B, self.router = (nn.Parameter(t.to(device, dtype).clone()) for t in (A, B, router))
        self.scale, self.top_k = scale, top_k
        self.dropout = nn.Dropout(dropout)
        self.routing: Routing | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output [..., m] of x [..., n]."""
        result = self.base_layer(x)
        gates = self._route(x).repeat_interleave(self.A.shape[0] // self.router.shape[0], dim=-1)
        inner = F.linear(self.dropout(x).to(self.A.dtype), self.A)
        return result + (self.scale * F.linear(gates.to(inner.dtype) * inner, self.B)).to(result.dtype)

    def _route(self, x: Tensor) -> Tensor:
        """Return the weight of every expert [..., E] in float32; 0 for those not chosen."""
        with torch.autocast(x.device.type, enabled=False):
            share = F.linear(x.float(), self.router.float()).softmax(dim=-1)
            top, chosen = share.topk(self.top_k, dim=-1)
            gates = torch.zeros_like(share).scatter(-1, chosen, top / top.sum(dim=-1, keepdim=True))
            if self.training:
                routing = count_routes(share, chosen)
                if torch._C._current_graph_task_id() == -1:  # not a recomputation in the backward pass
                    self.routing = routing if self.routing is None else self.routing.with_tokens_of(routing)
        return gates

    def pop_routing(self) -> Routing | None:
        """Return the routing of the last forward pass in training, and forget it."""
        routing, self.routing = self.routing, None
        return routing

    def train(self, mode: bool = True):
        self.routing = None
        return super().train(mode)

    def __getstate__(self):
        return self.__dict__ | {"routing": None}  # a tensor in a graph cannot be copied

    def extra_repr(self) -> str:
        return f"rank={self.A.shape[0]}, experts={self.router.shape[0]}, top_k={self.top_k}, scale={self.scale:.4g}"


def forget_routing(model: nn.Module, *_: Any) -> None:
    """Forget the routing of an earlier forward pass, as a hook before the next one."""
    for module in model.modules():
        if isinstance(module, MoeLoraLinear):
            module.routing = None


def count_routes(share: Tensor, chosen: Tensor) -> Routing:
    """Return the routing for probabilities `share` [..., E] and the `chosen` experts [..., k]."""
    experts = share.shape[-1]
    hits = torch.zeros_like(share).scatter(-1, chosen, 1.0).reshape(-1, experts).sum(dim=0)
    return Routing(hits, share.reshape(-1, experts).sum(dim=0) / max(share.numel() // experts, 1))


def load_balance(hits: Tensor, share: Tensor) -> Tensor:
    """Return E sum_i f_i P_i, which is 1 if all experts are chosen equally often.

    f_i is the fraction of `hits` [E] on expert i, P_i its mean probability in `share` [E]. For given hits the term is a
    mean over tokens, so with the hits of a whole step the terms of its micro-batches add up to that of the step.
    """
    return len(hits) * (hits / hits.sum().clamp_min(1.0) * share).sum()
