"""The type of a training batch."""

from typing import Any

#: tensors of a batch by name, and further values that a task adds
Batch = dict[str, Any]
