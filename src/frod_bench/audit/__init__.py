"""What the paper says, held against what follows from its own settings."""
