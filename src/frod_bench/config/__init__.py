"""Composing a configuration with Hydra: files, recipes, overrides, and the objects that it describes."""
