"""What keeps the installation from acting on the outside: a hold on all of it, or a kill switch."""

import pghistory
import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import pgettext


@pghistory.track()
class Hold(models.Model):
    """A reason why nothing may leave until a person has looked; one that stands holds everything.

    Holds belong to the whole installation: whoever doubts its database doubts all of it.
    """

    # It belongs to no seller: its days are those of UTC.
    time_zone = "UTC"

    code = models.CharField(max_length=40, help_text="Why, for programs: database_is_older.")
    reason = models.TextField(help_text="Why, and what to do, in a sentence.")
    details = models.JSONField(default=dict, db_default={}, blank=True)
    held_at = models.DateTimeField(db_default=Now(), editable=False)
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.CharField(max_length=80, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(released_at=None, released_by="")
                | (Q(released_at__isnull=False) & ~Q(released_by="")),
                name="hold_is_released_by_somebody",
            ),
            models.UniqueConstraint(
                fields=["code"],
                condition=Q(released_at=None),
                name="hold_stands_once_for_a_reason",
            ),
        ]
        triggers = [
            pgtrigger.ReadOnly(name="hold_keeps_its_reason", fields=["code", "held_at"]),
            pgtrigger.Protect(
                name="released_hold_is_never_edited",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__released_at__isnull=False),
            ),
            pgtrigger.Protect(name="hold_is_never_deleted", operation=pgtrigger.Delete),
        ]
        permissions = [("release_hold", "Can let everything go on after a hold")]

    def __str__(self) -> str:
        return self.code


@pghistory.track()
class KillSwitch(models.Model):
    """All charging stopped at once, or one seller's; by whom, when and why.

    The seller's public id stands for it; without one it is everybody's charging.
    """

    time_zone = "UTC"

    seller = models.CharField(
        max_length=40, null=True, blank=True, help_text="Public id; empty for all sellers."
    )
    reason = models.CharField(max_length=300)
    on_at = models.DateTimeField(db_default=Now(), editable=False)
    on_by = models.CharField(max_length=80)
    off_at = models.DateTimeField(null=True, blank=True)
    off_by = models.CharField(max_length=80, blank=True, default="")

    class Meta:
        verbose_name_plural = "kill switches"
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="kill_switch_has_a_reason"),
            models.CheckConstraint(
                condition=Q(off_at=None, off_by="") | (Q(off_at__isnull=False) & ~Q(off_by="")),
                name="kill_switch_is_turned_off_by_somebody",
            ),
            models.UniqueConstraint(
                fields=["seller"],
                condition=Q(off_at=None),
                nulls_distinct=False,
                name="kill_switch_is_on_once",
            ),
        ]
        triggers = [
            pgtrigger.ReadOnly(
                name="kill_switch_keeps_its_reason", fields=["seller", "reason", "on_at", "on_by"]
            ),
            pgtrigger.Protect(
                name="kill_switch_that_is_off_stays_off",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__off_at__isnull=False),
            ),
            pgtrigger.Protect(name="kill_switch_is_never_deleted", operation=pgtrigger.Delete),
        ]
        permissions = [("press_killswitch", "Can stop charging, and let it go on")]

    def __str__(self) -> str:
        if not self.seller:
            return pgettext("desk", "Charging by all sellers")
        return pgettext("desk", "Charging by %(seller)s") % {"seller": self.seller}


class DatabaseMark(models.Model):
    """The one row that says which installation this is, how far it has come, and where it lay.

    See :mod:`billing.outbound.mark`.
    """

    installation = models.CharField(max_length=32)
    generation = models.PositiveIntegerField(
        default=1, help_text="How often a person has said go on."
    )
    position = models.PositiveBigIntegerField(default=1)
    place = models.CharField(max_length=120)
    seen_at = models.DateTimeField()
    seen_by = models.CharField(max_length=255)
    restores = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="How often it went on after something may have been lost: events of other "
        "numbers than those lost are told from then on.",
    )
    doubted_until = models.DateTimeField(
        null=True, blank=True, help_text="What the tick tells until then may have been told before."
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="database_has_one_mark")]

    def __str__(self) -> str:
        return f"{self.installation[:8]} at {self.position}"
