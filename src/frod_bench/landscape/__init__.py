"""The loss landscape around a point in weight space (Li et al., NeurIPS 2018, arXiv 1712.09913)."""
