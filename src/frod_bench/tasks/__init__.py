"""Tasks: the source of their rows, their encoding as model inputs, and the scoring of predictions."""
