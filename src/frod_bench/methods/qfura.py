"""QFuRA: FuRA with the frozen core of every layer in four bits (released code of FuRA, layout `flat`)."""

from dataclasses import dataclass
from typing import ClassVar

from frod_bench.adapters.nf4 import NF4_ERROR, Nf4Matrix
from frod_bench.methods.fura import Fura


@dataclass(frozen=True)
class QFura(Fura):
    """NF4 with double quantisation; a block of 64 lies in one left singular vector if m is a multiple of 64."""

    name: ClassVar[str] = "qfura"
    start_error: ClassVar[float] = NF4_ERROR  # the base with its left singular vectors rounded
    hold: ClassVar[type] = Nf4Matrix


METHOD = QFura
