"""Models whose state moves only along a table."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models

from billing.engine.errors import Refused


class Stateful(models.Model):
    """A model whose state moves only along its ``LIFECYCLE`` table."""

    STATE_FIELD: ClassVar[str] = "status"
    LIFECYCLE: ClassVar[Mapping[str, frozenset[str]]] = {}

    class Meta:
        abstract = True

    def move(self, to: str, **changes: Any) -> None:
        """Move to a state, with other fields in the same statement.

        The update is conditional on the state that this object was read in, so of two that race
        one is told. Raises :class:`Refused` ("invalid_transition") where the table has no such
        step, or where somebody else was faster.
        """
        self.check_move(to)
        field = self.STATE_FIELD
        old = getattr(self, field)
        values = {field: to, **changes}
        found = type(self)._base_manager.filter(pk=self.pk, **{field: old}).update(**values)
        if not found:
            raise Refused(
                f"This {self._name} is no longer {old}: somebody else changed it. Read it again.",
                code="invalid_transition",
            )
        for key, value in values.items():
            setattr(self, key, value)

    def check_move(self, to: str) -> None:
        """Raises :class:`Refused` ("invalid_transition") where the table has no such step."""
        old = getattr(self, self.STATE_FIELD)
        if to not in self.LIFECYCLE.get(old, frozenset()):
            raise Refused(
                f"A {self._name} that is {old} cannot become {to}.", code="invalid_transition"
            )

    @property
    def _name(self) -> str:
        """What it is called in a refusal, which is in English whatever language a page is in."""
        return self._meta.verbose_name_raw
