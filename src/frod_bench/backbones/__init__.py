"""Backbones: pretrained models with a new classification head, from the hub, a package or random weights."""
