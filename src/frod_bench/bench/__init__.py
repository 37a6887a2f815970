"""Speed and memory against other implementations, as ratios in one process; the results are checked first."""
