"""The model that a run starts from: the backbone with a new head, or one head for each of several tasks."""

from torch import nn

from frod_bench.backbones.base import Backbone
from frod_bench.backbones.several_heads import give_heads
from frod_bench.tasks.base import HEAD, HasHeads, Task


def base_model(backbone: Backbone, task: Task, classes: int | None, text: str | None, seed: int) -> nn.Module:
    """Return the model for a task with so many classes; with None it keeps its language-model head.

    `text` is the format of the task's texts.
    """
    model = backbone.build(classes, seed)
    return give_heads(model, backbone.head, task.head_sizes(text), HEAD) if isinstance(task, HasHeads) else model
