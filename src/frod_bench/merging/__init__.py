"""Several tasks in one model: how task vectors combine, and what a sequence of tasks has kept."""
