"""The loss around a point in the space of weights (Li et al., NeurIPS 2018, arXiv 1712.09913)."""
