import zoneinfo

import pghistory
import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Lower, Now, Upper
from django.utils.translation import pgettext
from django_countries.fields import CountryField

from billing.base.public_ids import PublicIdField
from billing.base.sql.plain import PlainWords
from billing.engine.errors import Refused, UnknownCurrency
from billing.engine.money import exponent
from customers.going_live import missing_to_go_live
from customers.numbers import TIDIERS, tidy_numbers
from customers.triggers import MERGE_TRIGGERS

LANGUAGES = [("en", "English"), ("sv", "Svenska")]
REFERENCE_MAX, ADDRESSEES_MAX = 100, 10


def validate_currency(code: str) -> None:
    """Accept the ISO 4217 codes that the engine knows the exponent of."""
    try:
        exponent(code)
    except UnknownCurrency as error:
        raise ValidationError(error.message, code=error.code) from error


def validate_time_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"“{name}” is not a time zone. Use a name such as Europe/Stockholm.")


class CurrencyField(models.CharField):
    """An ISO 4217 code; the amounts beside it are in its smallest unit."""

    def __init__(self, **options):
        options.setdefault("max_length", 3)
        options.setdefault("validators", [validate_currency])
        super().__init__(**options)


class AddressesField(ArrayField):
    """Mail addresses, in a form separated by commas."""

    def __init__(self, verbose_name=None, base_field=None, **options):
        options |= {"verbose_name": verbose_name}
        options.setdefault("size", ADDRESSEES_MAX)
        options.setdefault("blank", True)
        options.setdefault("default", list)
        options.setdefault("db_default", [])
        super().__init__(base_field or models.EmailField(), **options)


class BuyerReferenceField(models.CharField):
    """What a buyer wants to read on a document: a cost centre, an order number, a name (BT-10)."""

    def __init__(self, **options):
        usual = (
            ("max_length", REFERENCE_MAX),
            ("blank", True),
            ("default", ""),
            ("db_default", ""),
        )
        for name, value in usual:
            options.setdefault(name, value)
        super().__init__(**options)


class _Numbered(models.Model):
    """Whoever has numbers: a form that is saved writes them down in their one form."""

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        wrong = {}
        for name in TIDIERS:
            try:
                for field, number in tidy_numbers(self, [name]).items():
                    setattr(self, field, number)
            except Refused as refused:
                wrong[name] = ValidationError(refused.message, code=refused.code)
        if wrong:
            raise ValidationError(wrong)


# A mail address in lower case and without its plus part; see :mod:`customers.persons`.
PERSON = Lower(
    models.Func(
        models.F("email"),
        models.Value(r"\+[^@]*@"),
        models.Value("@"),
        function="regexp_replace",
        output_field=models.CharField(),
    )
)


class Address(models.Model):
    address_line1 = models.CharField(max_length=200, blank=True, default="")
    address_line2 = models.CharField(max_length=200, blank=True, default="")
    postal_code = models.CharField(max_length=20, blank=True, default="")
    city = models.CharField(max_length=100, blank=True, default="")

    class Meta:
        abstract = True


@pghistory.track()
class Seller(_Numbered, Address):
    """A legal entity and its brand. Live and test never mix: all else hangs on one seller."""

    class Rounding(models.TextChoices):
        NONE = "none", "to the smallest unit"
        WHOLE = "whole", "to the whole unit, with a rounding line"

    public_id = PublicIdField(prefix="sel")
    name = models.CharField(max_length=200, help_text="The brand, as customers know it.")
    legal_name = models.CharField(max_length=200, blank=True, default="")
    is_live = models.BooleanField(
        default=False, help_text="Live sellers issue legal documents. This cannot be changed later."
    )
    country = CountryField(default="SE")
    seat = models.CharField(max_length=100, blank=True, default="", help_text="Registered seat.")
    currency = CurrencyField(default="SEK", help_text="The currency of the books.")
    time_zone = models.CharField(
        max_length=50, default="Europe/Stockholm", validators=[validate_time_zone]
    )
    language = models.CharField(max_length=5, choices=LANGUAGES, default="en")
    organisation_number = models.CharField(max_length=30, blank=True, default="")
    vat_number = models.CharField(max_length=20, blank=True, default="")
    has_f_tax = models.BooleanField(default=False, help_text="Approved for Swedish F-tax.")
    email = models.EmailField(blank=True, default="")
    phone = models.CharField(max_length=40, blank=True, default="")
    website = models.URLField(blank=True, default="")
    bankgiro = models.CharField(max_length=20, blank=True, default="")
    plusgiro = models.CharField(max_length=20, blank=True, default="")
    iban = models.CharField(max_length=40, blank=True, default="")
    bic = models.CharField(max_length=11, blank=True, default="")
    logo = models.ImageField(upload_to="logos", blank=True, default="")
    accent_color = models.CharField(
        max_length=7,
        default="#14171f",
        validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$", "Write a colour such as #1d5fbf.")],
    )
    rounding = models.CharField(max_length=10, choices=Rounding, default=Rounding.NONE)
    rounding_tolerance_minor = models.PositiveIntegerField(
        default=100,
        db_default=100,
        validators=[MaxValueValidator(10_000)],
        help_text="In öre, cents or the like: an invoice that is paid but for so little counts as "
        "paid, and the difference as rounding. 0: every difference stays owed.",
    )
    tax = models.JSONField(
        null=True,
        blank=True,
        help_text="Rates on everything sold, such as [{'category': 'S', 'rate': '25'}]; an empty "
        "list for none; leave empty to take them from the rate table.",
    )
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        triggers = [pgtrigger.ReadOnly(name="seller_mode_is_never_changed", fields=["is_live"])]

    def __str__(self) -> str:
        return self.name if self.is_live else f"{self.name} (test)"

    def clean(self) -> None:
        """A live seller is written down whole, or not at all: each field says what it misses."""
        super().clean()
        if self.is_live:
            missing = {each.field: each.what for each in missing_to_go_live(self)}
            if missing:
                raise ValidationError(missing)


_OF_A_TEST_SELLER = """
    IF EXISTS (SELECT FROM customers_seller WHERE id = NEW.seller_id AND is_live) THEN
        RAISE EXCEPTION 'seller % is live: its time is not ours to move', NEW.seller_id;
    END IF;
    RETURN NEW;
"""


class TestClock(models.Model):
    """The time of one test seller, which stands still until it is advanced.

    Moved by :mod:`customers.test_clocks` and played by :mod:`billing.schedule.test_clocks`.
    """

    __test__ = False  # Pytest would take it for a class of tests.

    public_id = PublicIdField(prefix="clk")
    seller = models.OneToOneField(Seller, on_delete=models.PROTECT, related_name="test_clock")
    at = models.DateTimeField(help_text="What time it is for the seller.")
    advancing_to = models.DateTimeField(
        null=True, blank=True, help_text="While days are being played: where it will stop."
    )
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "test clock"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(advancing_to=None) | models.Q(advancing_to__gte=models.F("at")),
                name="test_clock_advances_to_later",
            )
        ]
        triggers = [
            pgtrigger.Trigger(
                name="test_clock_is_of_a_test_seller",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("seller_id"),
                func=_OF_A_TEST_SELLER,
            ),
            pgtrigger.Protect(
                name="test_clock_never_goes_back",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(new__at__lt=pgtrigger.F("old__at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} UTC"

    @property
    def is_advancing(self) -> bool:
        return self.advancing_to is not None


# What people know a customer by, as one text: a call for each field would cost an import more.
TYPED = PlainWords(
    *("name", "email", "organisation_number", "address_line1", "postal_code", "city")
)


# An import adds a hundred thousand: their history is one statement a batch, and not one a row.
@pghistory.track(pghistory.InsertEvent(level=pghistory.Statement), pghistory.UpdateEvent())
class Customer(_Numbered, Address):
    """Who is billed, by one seller. The row is also the one lock around a customer's money."""

    class Collection(models.TextChoices):
        INVOICE = "invoice", "pays the invoice"
        AUTOMATIC = "automatic", "we charge the payment method"

    class Delivery(models.TextChoices):
        EMAIL = "email", "by email with PDF"
        PRINT = "print", "printed"

    public_id = PublicIdField(prefix="cus")
    seller = models.ForeignKey(
        Seller, on_delete=models.PROTECT, related_name="customers", db_index=False
    )
    external_id = models.CharField(
        max_length=100, null=True, blank=True, help_text="The shop's own id, unique for a seller."
    )
    name = models.CharField(max_length=200)
    email = models.EmailField(blank=True, default="")
    is_business = models.BooleanField(default=False)
    country = CountryField(default="SE")
    language = models.CharField(max_length=5, choices=LANGUAGES, default="en")
    vat_number = models.CharField(max_length=20, blank=True, default="")
    organisation_number = models.CharField(max_length=30, blank=True, default="")
    business_evidence = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="Outside the EU, where no number shows that this is a business: what does, such "
        "as a certificate of its tax authority, and when it was seen.",
    )
    buyer_reference = BuyerReferenceField(
        help_text="Printed on documents: the buyer's cost centre, order number or the like.",
    )
    net_terms_days = models.PositiveSmallIntegerField(
        default=14, help_text="Days from the invoice's date to its due date."
    )
    collection = models.CharField(max_length=10, choices=Collection, default=Collection.INVOICE)
    delivery = models.CharField(max_length=10, choices=Delivery, default=Delivery.EMAIL)
    invoice_to = AddressesField(
        "invoices to",
        help_text="Addresses with commas between them, in place of the customer's own.",
    )
    invoice_cc = AddressesField("copy of invoices to")
    reminder_to = AddressesField(
        "reminders to", help_text="Where nobody is named here, reminders go where invoices go."
    )
    reminder_cc = AddressesField("copy of reminders to")
    is_consolidated = models.BooleanField(
        default=True, help_text="One document for all subscriptions, or one for each."
    )
    tax = models.JSONField(null=True, blank=True, help_text="As on the seller, for this customer.")
    metadata = models.JSONField(default=dict, blank=True)
    merged_into = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="merged",
        db_index=False,
        help_text="The customer who goes on in place of this one, which is closed.",
    )
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    # What the desk searches for each word that is typed.
    TYPED = TYPED

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["seller", "external_id"], name="customer_external_id_is_unique"
            )
        ]
        indexes = [
            models.Index(fields=["email"], name="customer_email"),
            # Whoever signs in writes their address as they please.
            models.Index(Upper("email"), name="customer_email_in_any_case"),
            models.Index("seller", PERSON, name="customer_of_a_person"),
            # For what people type into the search: in any case, without accents, from the middle.
            GinIndex(OpClass(TYPED, name="gin_trgm_ops"), name="customer_by_what_is_typed"),
            models.Index(fields=["external_id"], name="customer_by_external_id"),
            # Few are, and each document that is written asks.
            models.Index(
                fields=["merged_into", "id"],
                condition=models.Q(merged_into__isnull=False),
                name="customer_that_was_merged",
            ),
        ]
        triggers = MERGE_TRIGGERS

    def __str__(self) -> str:
        return self.name


class AccessLink(models.Model):
    """A link that opens a page for a customer without a password; see :mod:`customers.links`."""

    class Purpose(models.TextChoices):
        SIGN_IN = "sign_in", "signs in, emailed"
        PORTAL = "portal", "signs in, given by the shop"
        PAY = "pay", "pays an invoice"
        METHOD = "method", "changes the payment method"
        SUBSCRIPTION = "subscription", "looks after a subscription"

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="access_links")
    purpose = models.CharField(max_length=12, choices=Purpose)
    subject = models.CharField(
        max_length=40, blank=True, default="", help_text="Public id of what it is for."
    )
    return_url = models.URLField(max_length=2000, blank=True, default="")
    address = models.EmailField(
        blank=True,
        default="",
        db_default="",
        help_text="Where it was mailed to: whoever reads that opens all accounts that have it.",
    )
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True, blank=True)
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        named = {"link": self.get_purpose_display(), "until": f"{self.expires_at:%Y-%m-%d %H:%M}"}
        return pgettext("desk", "%(link)s (until %(until)s)") % named
