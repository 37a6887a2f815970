"""One nn.Module a parametrisation of an adapted linear layer."""

from torch import nn


class Adapter(nn.Module):
    """Base of the modules that take the place of a target layer, by which a model is known to be adapted."""
