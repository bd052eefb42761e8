"""Database triggers that several apps use."""

from typing import Any

import pgtrigger


class FrozenOnce(pgtrigger.ReadOnly):
    """No edits of the fields once a row is in a state; ``pgtrigger.ReadOnly`` knows no state."""

    def __init__(self, *, once: pgtrigger.Q, **options: Any):
        self.once = once
        super().__init__(**options)

    def get_condition(self, model: Any) -> Any:
        return super().get_condition(model) & self.once
