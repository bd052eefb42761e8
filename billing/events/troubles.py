"""One customer's trouble never stops the others: it is kept with its traceback, and they go on.

A step of the work asks a :class:`Watch` for everything that it does for one customer, or one thing
of theirs. What goes wrong there, foreseen by nobody, becomes a :class:`Trouble`; its subject is
left out for a while, and tried again after 1, 2, 4 … minutes and at most a day. What is wrong with
the database as a whole is nobody's trouble: it ends the step, and the next tick begins it again.
"""

import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError
from django.db.models import F

from billing.base import clock
from billing.base.redaction import redacted
from billing.events.models import Trouble
from billing.outbound.gate import Held

WAIT_MAX_MINUTES = 24 * 60
TRACEBACK_MAX = 20_000
# A lock or a statement that took too long is about the rows at hand; other refusals of the server
# (https://www.postgresql.org/docs/current/errcodes-appendix.html) are about the connection.
TOOK_TOO_LONG = {"55P03", "57014"}
# One row that somebody holds costs a halved batch some dozen waits; more is not about one row.
LONG_WAITS_MAX = 24
# What did not come up again so long after it should have been tried is over.
FORGOTTEN_AFTER = timedelta(days=2)

type Subject = str | Callable[[], str]

logger = logging.getLogger(__name__)


def timed_out(error: BaseException) -> bool:
    """Whether a lock was waited for, or a statement ran, for longer than it may."""
    return getattr(error.__cause__, "sqlstate", None) in TOOK_TOO_LONG


def hits_everybody(error: BaseException) -> bool:
    """Whether an error is about the database as a whole: a lost connection, a full disk."""
    return isinstance(error, OperationalError | InterfaceError) and not timed_out(error)


class Watch:
    """Who has trouble with a step, and what becomes of whoever gets into it now.

    ``passing`` are errors that the step itself deals with.
    """

    def __init__(
        self, step: str, seller: str = "", passing: tuple[type[Exception], ...] = ()
    ) -> None:
        self.step, self.seller = step, seller
        self._passing = passing
        self._long_waits = 0
        found = Trouble.objects.filter(step=step)
        if seller:
            found = found.filter(seller=seller)
        self._known = dict(found.values_list("subject", "next_attempt_at"))

    @property
    def waiting(self) -> list[str]:
        """The subjects that are left alone for now."""
        now = clock.now()
        return [subject for subject, at in self._known.items() if at > now]

    @property
    def due(self) -> list[str]:
        """The subjects that had trouble and are to be tried again."""
        now = clock.now()
        return [subject for subject, at in self._known.items() if at <= now]

    @contextmanager
    def over(self, subject: Subject) -> Iterator[None]:
        """Work on one thing: what goes wrong is kept, and goes no further.

        ``subject`` may be a call, which is made only where the name is needed.
        """
        try:
            yield
        except Exception as error:
            self.let_through(error)
            self.keep(_name(subject), error)
        else:
            if self.due:
                self.clear(_name(subject))

    def serve[T](
        self,
        things: Sequence[T],
        work: Callable[[Sequence[T]], int],
        subject_of: Callable[[T], str],
        on_trouble: Callable[[T, Exception], object] | None = None,
    ) -> int:
        """Work on many at once; how many were dealt with, as ``work`` says.

        ``work`` does all that it is given or nothing, in a transaction of its own. What fails is
        halved until the offender stands alone, and is kept; ``on_trouble`` is told of it.
        """
        if not things:
            return 0
        try:
            done = work(things)
        except Exception as error:
            self.let_through(error)
            if len(things) > 1:
                return sum(
                    self.serve(part, work, subject_of, on_trouble) for part in halves(things)
                )
            self.keep(subject_of(things[0]), error)
            if on_trouble:
                on_trouble(things[0], error)
            return 1
        if self.due:
            for thing in things:
                self.clear(subject_of(thing))
        return done

    def let_through(self, error: Exception) -> None:
        """Raise again what is no trouble of one alone, such as that everything is held."""
        if isinstance(error, (Held, *self._passing)) or hits_everybody(error):
            raise error
        if timed_out(error):
            self._long_waits += 1
            if self._long_waits > LONG_WAITS_MAX:
                raise error

    def keep(self, subject: str, error: Exception) -> None:
        """Write down what went wrong, and leave the subject alone for a while."""
        now = clock.now()
        logger.error("step=%r subject=%s trouble=%r", self.step, subject, error, exc_info=error)
        kept = Trouble.objects.filter(step=self.step, subject=subject)
        times = (kept.values_list("times", flat=True).first() or 0) + 1
        next_attempt_at = now + wait_after(times)
        Trouble.objects.bulk_create(
            [
                Trouble(
                    step=self.step,
                    subject=subject,
                    seller=self.seller,
                    kind=type(error).__name__[:120],
                    message=shown(str(error)),
                    traceback=shown("".join(traceback.format_exception(error))),
                    first_seen_at=now,
                    last_seen_at=now,
                    next_attempt_at=next_attempt_at,
                )
            ],
            update_conflicts=True,
            unique_fields=["step", "subject"],
            update_fields=["kind", "message", "traceback", "last_seen_at", "next_attempt_at"],
        )
        if times > 1:
            kept.update(times=F("times") + 1)
        self._known[subject] = next_attempt_at

    def clear(self, subject: str) -> None:
        """It went well."""
        if self._known.pop(subject, None) is not None:
            Trouble.objects.filter(step=self.step, subject=subject).delete()


def halves[T](things: Sequence[T]) -> Iterator[Sequence[T]]:
    """Two parts of many, or the one thing."""
    middle = (len(things) + 1) // 2
    return iter([part for part in (things[:middle], things[middle:]) if part])


def wait_after(times: int) -> timedelta:
    """How long what has failed so many times is left alone."""
    return timedelta(minutes=min(2 ** min(times - 1, 16), WAIT_MAX_MINUTES))


def shown(text: str) -> str:
    """A text as it may be kept: without secrets, without what no column takes, and not endless."""
    return redacted(text.replace("\0", "�"))[-TRACEBACK_MAX:]


def try_again(trouble: Trouble) -> None:
    """Have the next tick try it at once."""
    Trouble.objects.filter(pk=trouble.pk).update(next_attempt_at=clock.now())


def try_again_with(step: str, subject: str) -> None:
    """Have the next tick try it at once, if it had trouble: a person has put something right."""
    Trouble.objects.filter(step=step, subject=subject).update(next_attempt_at=clock.now())


def forget_over(now: datetime) -> int:
    """Forget what has not come up again since it was to be tried; how many."""
    over = Trouble.objects.filter(next_attempt_at__lt=now - FORGOTTEN_AFTER)
    return over.delete()[0]


def _name(subject: Subject) -> str:
    return subject if isinstance(subject, str) else subject()
