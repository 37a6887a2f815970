"""`python -m frod_bench`, the form that `accelerate launch -m` and torchrun start."""

from frod_bench.cli import main

if __name__ == "__main__":
    main()
