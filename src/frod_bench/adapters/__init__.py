"""One nn.Module a parametrisation of an adapted linear layer."""
