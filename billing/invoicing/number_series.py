"""Number series, and the numbers that no document has."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from customers.models import Seller

# The kinds of documents, which are numbered apart.
KINDS = [("invoice", "invoice"), ("credit_note", "credit note")]
_NUMBERS_ARE_NOT_HELD = """
    IF EXISTS (SELECT FROM outbound_hold WHERE released_at IS NULL)
       AND current_setting('kvitt.reconciles', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION 'numbers are held' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN NEW;
"""


class NumberSeries(models.Model):
    """Gap-free document numbers: taken under the row's lock, committed with the documents."""

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="number_series")
    kind = models.CharField(max_length=11, choices=KINDS)
    prefix = models.CharField(max_length=20, blank=True, default="")
    next_number = models.PositiveBigIntegerField(default=1)

    class Meta:
        verbose_name_plural = "number series"
        constraints = [
            models.UniqueConstraint(fields=["seller", "kind"], name="one_number_series_of_a_kind")
        ]
        triggers = [
            pgtrigger.Trigger(
                name="no_number_is_given_while_held",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("next_number"),
                func=_NUMBERS_ARE_NOT_HELD,
            )
        ]

    def __str__(self) -> str:
        return f"{self.prefix}{self.next_number}"


class NumberGap(models.Model):
    """Numbers that no document here has, and why: the explanation that the law asks for.

    They may have left the house on documents that a restore has lost, and are not given again.
    """

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="number_gaps")
    kind = models.CharField(max_length=11)
    first = models.PositiveBigIntegerField()
    last = models.PositiveBigIntegerField()
    reason = models.CharField(max_length=300)
    recorded_by = models.CharField(max_length=80)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(first__lte=F("last")) & ~Q(reason=""), name="number_gap_is_explained"
            ),
            models.UniqueConstraint(
                fields=["seller", "kind", "first"], name="number_gap_is_recorded_once"
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="number_gap_is_never_edited", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.first}–{self.last}"
