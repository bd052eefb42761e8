from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django_countries.fields import CountryField


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
                    (
                        Func(
                            F("valid_from"),
                            F("valid_until"),
                            Value("[)"),
                            function="daterange",
                            output_field=DateRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                condition=Q(is_default=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.country} {self.category} {self.percent.normalize():f} %"
