"""Decompositions of pretrained weights: matrices in, factors out."""
