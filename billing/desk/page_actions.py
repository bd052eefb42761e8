"""Buttons that ask before they act."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar

from django.db import DatabaseError
from django.db.models import ProtectedError
from django.utils.functional import Promise
from django.utils.translation import pgettext
from unfold.enums import ActionVariant

from billing.base.typed import (
    guard_of,
    in_words,
)
from billing.desk.figures import as_pages_write
from billing.desk.forms import ActionForm
from billing.desk.previews import Preview
from billing.engine.errors import BillingError


class PageAction:
    """A button on an object's page: asks on a page of its own, then does it and says what it did.

    `run` calls a function of some `actions.py` in the transaction that also leaves the log entry.
    Whether the button is offered is only a courtesy: the function is what refuses.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    explanation: ClassVar[str | Promise]
    permission: ClassVar[str]
    icon: ClassVar[str] = ""
    variant: ClassVar[ActionVariant] = ActionVariant.DEFAULT
    form_class: ClassVar[type[ActionForm]] = ActionForm
    is_for_many: ClassVar[bool] = False
    # Whether what it comes to is shown before it is done: see `foresee`.
    is_foreseen: ClassVar[bool] = False
    # Whether what it calls takes locks in an order of its own; else the customer is locked first.
    takes_own_locks: ClassVar[bool] = False
    # Whether the object is gone afterwards, so that its list comes back rather than its page.
    removes: ClassVar[bool] = False

    @property
    def button(self) -> str:
        """The colour of the button that does it, in unfold's words."""
        return "danger" if self.variant is ActionVariant.DANGER else "primary"

    def is_offered(self, obj: Any) -> bool:
        return True

    def run(self, obj: Any, *, as_of: date, actor: str, **asked: Any) -> str:
        """Do it and say what was done; a :class:`Told` keeps a part of it from the log.

        One that is foreseen answers with a :class:`Reckoned`.
        """
        raise NotImplementedError

    def foresee(self, obj: Any, *, as_of: date, actor: str, **asked: Any) -> Preview:
        """What it would come to, for one that is foreseen. Raises what it raises; keeps nothing."""
        raise NotImplementedError


class Told(str):
    """What a page action has done, with what is shown this once and written nowhere."""

    shown: str

    def __new__(cls, done: str, *, shown: str) -> "Told":
        told = super().__new__(cls, done)
        told.shown = shown
        return told


@dataclass
class Outcome:
    """What became of an action on many objects."""

    done: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def refusal(error: BillingError | DatabaseError) -> str:
    """Why something was not done, in words for the operator."""
    if isinstance(error, BillingError):
        return as_pages_write(error.message)
    if isinstance(error, ProtectedError):
        return pgettext("desk", "Nothing was deleted: other records depend on this one.")
    return pgettext("desk", "Nothing has changed. %(why)s") % {"why": in_words(guard_of(error))}
