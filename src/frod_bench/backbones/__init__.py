"""Backbones: models with a new classification head; their weights come from the hub, a package, or a generator."""
