"""Compose a configuration with Hydra: files, recipes, overrides, and the objects they describe."""
