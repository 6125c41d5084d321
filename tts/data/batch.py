"""The type of a training batch."""

from typing import Any

#: tensors of a batch by name, and what a task adds to them
Batch = dict[str, Any]
