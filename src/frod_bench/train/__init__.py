"""The training loop on accelerate. It knows methods and tasks by their protocols only."""
