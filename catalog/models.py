from decimal import Decimal

import pghistory
import pgtrigger
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.utils import translation
from django.utils.functional import cached_property
from django.utils.translation import pgettext

from billing.base.amounts import locale_of, written_price
from billing.base.intervals import interval_in_words
from billing.base.public_ids import PublicIdField
from billing.base.triggers import FrozenOnce
from billing.engine import pricing
from billing.engine.bounds import INTERVALS_MAX, TRIAL_DAYS_MAX
from billing.engine.errors import UnknownCurrency
from customers.models import CurrencyField, Seller

# Where revenue is booked unless a product says otherwise: services, in the Swedish BAS chart.
REVENUE_ACCOUNT = "3041"


class AmountField(models.DecimalField):
    """A unit price, rate or quantity: exact, with room for more decimals than money has."""

    def __init__(self, **options):
        options.setdefault("max_digits", 24)
        options.setdefault("decimal_places", 10)
        super().__init__(**options)


class IntervalUnit(models.TextChoices):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@pghistory.track()
class Product(models.Model):
    """What is sold, as tax and books see it."""

    class Supply(models.TextChoices):
        # The kinds of the engine's supply.py.
        DIGITAL = "digital", "digital service"
        SERVICE = "service", "other service"
        GOODS = "goods"

    public_id = PublicIdField(prefix="prod")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="products")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    tax_category = models.CharField(
        max_length=20, default="standard", help_text="A category of the rate table."
    )
    supply = models.CharField(
        max_length=7,
        choices=Supply,
        default=Supply.DIGITAL,
        db_default=Supply.DIGITAL,
        help_text="Decides in which country a buyer abroad is taxed.",
    )
    revenue_account = models.CharField(
        max_length=20, default=REVENUE_ACCOUNT, help_text="The bookkeeping account of its revenue."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["seller", "name"], name="product_name_is_unique")
        ]

    def __str__(self) -> str:
        return self.name


@pghistory.track()
class Plan(models.Model):
    """What a customer subscribes to: an interval and its prices."""

    public_id = PublicIdField(prefix="plan")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="plans")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="plans")
    code = models.CharField(max_length=80)
    name = models.CharField(max_length=200)
    family = models.CharField(
        max_length=80,
        blank=True,
        default="",
        help_text="Plans of one family can be changed into each other.",
    )
    interval_unit = models.CharField(max_length=5, choices=IntervalUnit, default=IntervalUnit.MONTH)
    interval_count = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(INTERVALS_MAX)]
    )
    trial_days = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(TRIAL_DAYS_MAX)]
    )
    is_trial_usage_billed = models.BooleanField(default=False)
    cycles = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="A fixed term that ends after so many whole periods."
    )
    features = ArrayField(
        models.SlugField(max_length=80, db_index=False),
        default=list,
        db_default=[],
        blank=True,
        help_text="Codes of what its customers may use, such as reports, separated by commas.",
    )
    is_active = models.BooleanField(default=True, help_text="Offered to new subscriptions.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["seller", "code"], name="plan_code_is_unique"),
            models.CheckConstraint(
                condition=Q(interval_count__gte=1), name="plan_interval_is_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def named_with_prices(self) -> str:
        """``Espresso · SEK 249.00 every month, SEK 1.20 per kWh``: plans of one name told apart."""
        offered = [price.in_words() for price in self.prices.all() if price.is_active]
        return f"{self.name} · {', '.join(offered[:3])}" if offered else self.name


class PriceQuerySet(models.QuerySet["Price"]):
    def with_units(self) -> "PriceQuerySet":
        """With the units of their meters, which are else asked for price by price."""
        # Meters stand above, and are known here by name alone.
        meters = apps.get_model("usage", "Meter").objects.filter(
            seller=OuterRef("plan__seller"), code=OuterRef("meter")
        )
        return self.annotate(meter_unit=Subquery(meters.values("unit")[:1]))


@pghistory.track()
class Price(models.Model):
    """One price of a plan in one currency; never edited once somebody has agreed to it.

    A new price is a new row: the old one is retired and goes on for those who have it.
    Amounts are in major units.
    """

    class Model(models.TextChoices):
        FLAT = "flat"
        PER_UNIT = "per_unit"
        GRADUATED = "graduated"
        VOLUME = "volume"
        PACKAGE = "package"
        PERCENTAGE = "percentage"
        GRADUATED_PERCENTAGE = "graduated_percentage"

    class Billing(models.TextChoices):
        IN_ADVANCE = "in_advance"
        IN_ARREARS = "in_arrears"
        ONCE = "once"

    public_id = PublicIdField(prefix="price")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="prices")
    code = models.CharField(max_length=80)
    name = models.CharField(max_length=200, blank=True, default="")
    currency = CurrencyField()
    position = models.PositiveSmallIntegerField(default=0)
    model = models.CharField(max_length=20, choices=Model, default=Model.FLAT)
    billing = models.CharField(max_length=10, choices=Billing, default=Billing.IN_ADVANCE)
    amount = AmountField(default=Decimal(0))
    tiers = models.JSONField(
        default=list, blank=True, help_text="[{up_to, unit_amount, flat_amount, rate}], strings."
    )
    meter = models.CharField(max_length=80, blank=True, default="", help_text="A meter's code.")
    quantity = AmountField(default=Decimal(1), validators=[MinValueValidator(0)])
    package_size = AmountField(default=Decimal(1))
    free_units = AmountField(default=Decimal(0))
    rate = AmountField(default=Decimal(0), help_text="Percent.")
    fixed_amount = AmountField(default=Decimal(0), help_text="For each event.")
    free_events = models.PositiveIntegerField(null=True, blank=True)
    free_value = AmountField(null=True, blank=True)
    event_minimum = AmountField(null=True, blank=True)
    event_maximum = AmountField(null=True, blank=True)
    minimum_amount = AmountField(null=True, blank=True, help_text="For each period.")
    is_prorated = models.BooleanField(default=True)
    is_tax_inclusive = models.BooleanField(
        default=False, help_text="With rates of the rate table: the price includes the tax."
    )
    tax = models.JSONField(null=True, blank=True, help_text="As on the seller, for this price.")
    is_used = models.BooleanField(default=False, editable=False)
    is_active = models.BooleanField(default=True, help_text="Offered to new subscriptions.")

    objects = PriceQuerySet.as_manager()

    class Meta:
        ordering = ["plan", "position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["plan", "code", "currency"],
                condition=Q(is_active=True),
                name="active_price_code_is_unique",
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=0), name="price_quantity_not_negative"
            ),
        ]
        triggers = [
            FrozenOnce(
                name="used_price_is_never_edited",
                exclude=["is_active", "is_used", "name"],
                once=pgtrigger.Q(old__is_used=True),
            ),
            pgtrigger.Protect(
                name="used_price_is_never_deleted",
                operation=pgtrigger.Delete,
                condition=pgtrigger.Q(old__is_used=True),
            ),
        ]

    def __str__(self) -> str:
        """As :meth:`named`, in English: the log and the API have one language."""
        with translation.override("en"):
            return self.named()

    def named(self) -> str:
        """``Coffee · SEK 249.00 every month`` in the active language; with its own name where that
        is another than the plan's.
        """
        plan = self.plan
        named = plan.name if self.name in ("", plan.name) else f"{plan.name}, {self.name}"
        return f"{named} · {self.in_words()}"

    def in_words(self) -> str:
        """What it costs, in the active language, and how often where nothing is measured.

        ``SEK 249.00 every month``, ``SEK 1.20 per kWh``, ``volume in SEK every month``.
        """
        if self.meter and self.model in (self.Model.PER_UNIT, self.Model.PACKAGE):
            return self._of_usage_in_words()
        if self.model in (self.Model.FLAT, self.Model.PER_UNIT, self.Model.PACKAGE):
            said = self._amount_in_words()
            if self.model != self.Model.FLAT:
                said = pgettext("desk", "%(amount)s each") % {"amount": said}
        else:
            named = {"model": self.get_model_display().lower(), "currency": self.currency}
            said = pgettext("desk", "%(model)s in %(currency)s") % named
        often = pgettext("desk", "once")
        if self.billing != self.Billing.ONCE:
            often = interval_in_words(self.plan.interval_unit, self.plan.interval_count)
        return f"{said} {often}"

    def _of_usage_in_words(self) -> str:
        said = {"amount": self._amount_in_words(), "unit": self.unit}
        if self.model == self.Model.PER_UNIT:
            if self.unit:
                return pgettext("desk", "%(amount)s per %(unit)s") % said
            return pgettext("desk", "%(amount)s per unit") % said
        said["size"] = f"{self.package_size.normalize():f}"
        if self.unit:
            return pgettext("desk", "%(amount)s per %(size)s %(unit)s") % said
        return pgettext("desk", "%(amount)s per %(size)s units") % said

    def _amount_in_words(self) -> str:
        locale = locale_of(translation.get_language() or "en")
        try:
            return written_price(self.amount, self.currency, locale)
        except UnknownCurrency:  # What was typed, and is refused on the page that says this.
            return f"{self.amount.normalize():f} {self.currency}"

    @cached_property
    def unit(self) -> str:
        """What its meter counts, such as kWh; empty where that says nothing or there is none."""
        if not self.meter:
            return ""
        is_known = "meter_unit" in self.__dict__
        found = self if is_known else Price.objects.with_units().get(pk=self.pk)
        return found.__dict__["meter_unit"] or ""

    def terms(self, agreed_amount: Decimal | None = None) -> pricing.Price:
        """The price as the engine takes it, with the amount agreed where one was."""
        return pricing.Price(
            code=self.code,
            model=self.model,
            billing=self.billing,
            amount=self.amount if agreed_amount is None else agreed_amount,
            tiers=tuple(
                pricing.Tier(
                    up_to=None if tier.get("up_to") is None else Decimal(tier["up_to"]),
                    unit_amount=Decimal(tier.get("unit_amount") or 0),
                    flat_amount=Decimal(tier.get("flat_amount") or 0),
                    rate=Decimal(tier.get("rate") or 0),
                )
                for tier in self.tiers
            ),
            meter=self.meter or None,
            package_size=self.package_size,
            free_units=self.free_units,
            rate=self.rate,
            fixed_amount=self.fixed_amount,
            free_events=self.free_events,
            free_value=self.free_value,
            event_minimum=self.event_minimum,
            event_maximum=self.event_maximum,
            minimum_amount=self.minimum_amount,
            is_prorated=self.is_prorated,
            ref=self.pk,
        )


@pghistory.track()
class Coupon(models.Model):
    """A discount: so much percent or such an amount off, once, for some periods or for ever."""

    class Duration(models.TextChoices):
        ONCE = "once"
        REPEATING = "repeating"
        FOREVER = "forever"

    public_id = PublicIdField(prefix="coup")
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="coupons")
    code = models.CharField(max_length=80)
    name = models.CharField(max_length=200, blank=True, default="")
    percent_off = models.DecimalField(
        max_digits=7,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
    )
    amount_off_minor = models.BigIntegerField(null=True, blank=True)
    currency = CurrencyField(blank=True, default="", help_text="Of the amount.")
    duration = models.CharField(max_length=10, choices=Duration, default=Duration.ONCE)
    periods = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Billing periods, for a repeating coupon."
    )
    plans = ArrayField(
        models.CharField(max_length=80), default=list, blank=True, help_text="Codes; empty: all."
    )
    prices = ArrayField(
        models.CharField(max_length=80), default=list, blank=True, help_text="Codes; empty: all."
    )
    uses_max = models.PositiveIntegerField(
        "uses",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000)],
        help_text="By all customers together; empty: any number.",
    )
    last_on = models.DateField(
        "last day",
        null=True,
        blank=True,
        help_text="On which it can be redeemed; what it gives may last longer. Empty: none.",
    )
    is_once_per_person = models.BooleanField(
        "once per person",
        default=True,
        db_default=True,
        help_text="Whoever has had it, by whatever customer of one address, gets it no more.",
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["seller", "code"], name="coupon_code_is_unique"),
            models.CheckConstraint(
                condition=Q(percent_off__isnull=False, amount_off_minor__isnull=True)
                | Q(
                    percent_off__isnull=True, amount_off_minor__isnull=False, amount_off_minor__gt=0
                ),
                name="coupon_is_percent_or_amount",
            ),
            models.CheckConstraint(
                condition=Q(percent_off__isnull=True) | Q(percent_off__gte=0, percent_off__lte=100),
                name="coupon_percent_is_in_range",
            ),
            models.CheckConstraint(
                condition=~Q(duration="repeating") | Q(periods__isnull=False, periods__gte=1),
                name="repeating_coupon_has_periods",
            ),
        ]

    def __str__(self) -> str:
        return self.code
