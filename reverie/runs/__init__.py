"""Training runs: the loop, checkpoints, logs, results and evaluations."""
