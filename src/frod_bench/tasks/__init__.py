"""Tasks: where their rows come from, how rows become model inputs, and how predictions are scored."""
