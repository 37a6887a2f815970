"""The training loop on accelerate. It knows methods and tasks only through their protocols."""
