import pghistory
import pgtrigger
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django_countries.fields import CountryField

from billing.engine.errors import Refused
from billing.engine.supply import MEMBER_STATES
from customers.models import Seller
from customers.numbers import tidy_vat_number


def _span() -> Func:
    """The days from ``valid_from`` until ``valid_until``."""
    return Func(
        F("valid_from"),
        F("valid_until"),
        Value("[)"),
        function="daterange",
        output_field=DateRangeField(),
    )


class TaxRate(models.Model):
    """The rate of a category in a country in a span of days; what a seller may use as default.

    Several reduced rates can hold in one country at a time: which goods get which is national
    law and the seller's choice, so only the row with ``is_default`` is ever picked by itself.
    """

    country = CountryField()
    category = models.CharField(max_length=20)
    percent = models.DecimalField(
        max_digits=7, decimal_places=4, validators=[MinValueValidator(0), MaxValueValidator(100)]
    )
    valid_from = models.DateField(null=True, blank=True, help_text="Empty: since before we know.")
    valid_until = models.DateField(
        null=True, blank=True, help_text="The first day without it; empty: until further notice."
    )
    is_default = models.BooleanField(
        default=True, help_text="Picked for its category; one at a time."
    )
    source = models.CharField(max_length=300, blank=True, default="")
    note = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        ordering = ["country", "category", "valid_from"]
        constraints = [
            models.CheckConstraint(
                condition=Q(percent__gte=0, percent__lte=100), name="tax_rate_is_in_range"
            ),
            models.CheckConstraint(
                condition=Q(valid_from__isnull=True)
                | Q(valid_until__isnull=True)
                | Q(valid_until__gt=F("valid_from")),
                name="tax_rate_holds_for_some_days",
            ),
            ExclusionConstraint(
                name="one_default_tax_rate_at_a_time",
                expressions=[
                    ("country", RangeOperators.EQUAL),
                    ("category", RangeOperators.EQUAL),
                    (_span(), RangeOperators.OVERLAPS),
                ],
                condition=Q(is_default=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.country} {self.category} {self.percent.normalize():f} %"


@pghistory.track()
class TaxRegistration(models.Model):
    """Where a seller is registered for VAT, and how: what the rule of the tax goes by.

    A seller without any charges what it charges at home, whoever buys.
    """

    class Scheme(models.TextChoices):
        HOME = "home", "at home"
        OSS = "oss", "union one-stop shop (OSS)"
        LOCAL = "local", "in another country"

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="tax_registrations")
    scheme = models.CharField(max_length=5, choices=Scheme, default=Scheme.HOME)
    country = CountryField(
        default="SE",
        help_text="Where it is registered; for the one-stop shop the seller's own country.",
    )
    number = models.CharField(max_length=20, help_text="As registered, such as SE556677889901.")
    valid_from = models.DateField()
    valid_until = models.DateField(
        null=True, blank=True, help_text="The first day without it; empty: until further notice."
    )

    class Meta:
        ordering = ["seller", "scheme", "country", "valid_from"]
        verbose_name = "VAT registration"
        constraints = [
            models.CheckConstraint(condition=~Q(number=""), name="tax_registration_has_a_number"),
            models.CheckConstraint(
                condition=Q(valid_until__isnull=True) | Q(valid_until__gt=F("valid_from")),
                name="tax_registration_holds_for_some_days",
            ),
            ExclusionConstraint(
                name="one_tax_registration_at_a_time",
                expressions=[
                    ("seller", RangeOperators.EQUAL),
                    ("scheme", RangeOperators.EQUAL),
                    ("country", RangeOperators.EQUAL),
                    (_span(), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.get_scheme_display()}"

    def clean(self) -> None:
        if not self.seller_id:
            return
        try:
            self.number = tidy_vat_number(self.number, str(self.country))
        except Refused as refused:
            raise ValidationError({"number": refused.message}) from refused
        is_at_home = self.country == self.seller.country
        if is_at_home == (self.scheme == self.Scheme.LOCAL):
            raise ValidationError(
                {
                    "country": "The seller is at home there."
                    if is_at_home
                    else f"The seller's country is {self.seller.country}: choose that, or “in "
                    "another country”."
                }
            )
        if self.scheme == self.Scheme.OSS and str(self.country) not in MEMBER_STATES:
            raise ValidationError({"scheme": "The union scheme is for sellers in the EU."})
        if self.scheme == self.Scheme.HOME and self.number != self.seller.vat_number:
            said = self.seller.vat_number or "none"
            raise ValidationError(
                {"number": f"The seller's VAT number is {said}, and stands on its documents."}
            )


class VatNumberCheck(models.Model):
    """What VIES answered about a VAT number when a seller asked. The last yes or no counts.

    Kept as it was: with the consultation number it proves why no VAT was charged.
    """

    class Answer(models.TextChoices):
        VALID = "valid"
        INVALID = "invalid"
        UNKNOWN = "unknown"

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="vat_number_checks")
    number = models.CharField(max_length=20)
    asked_at = models.DateTimeField()
    answer = models.CharField(max_length=7, choices=Answer)
    consultation_number = models.CharField(max_length=40, blank=True, default="")
    name = models.CharField(
        max_length=300, blank=True, default="", help_text="Whose it is, as VIES tells it."
    )
    problem = models.CharField(
        max_length=60, blank=True, default="", help_text="Why the answer is unknown."
    )

    class Meta:
        ordering = ["-asked_at", "-id"]
        verbose_name = "VAT number check"
        indexes = [
            models.Index(fields=["seller", "number", "-asked_at"], name="vat_number_check_latest")
        ]
        triggers = [
            pgtrigger.Protect(
                name="vat_number_check_is_append_only",
                operation=pgtrigger.Update | pgtrigger.Delete,
            )
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.get_answer_display().lower()}"
