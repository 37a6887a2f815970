"""The names of a run on several tasks together, for whoever composes one or reads its scores."""

MEAN_SCORE = "mean_score"  # its reported metric: the mean over the tasks of the metric that each is reported by
JOINT = "joint"  # its evaluation split, with the reported rows of every task


def score_name(metric: str, task: str) -> str:
    """Return the name of the score of one of the tasks: `accuracy_rte` for glue/rte."""
    return f"{metric}_{task.rpartition('/')[2]}"
