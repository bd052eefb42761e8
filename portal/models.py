from django.db import models

from customers.models import Customer


class Attempt(models.Model):
    """Something that may be tried only so often: by whom, kept as a hash, and when."""

    class Kind(models.TextChoices):
        ADDRESS = "address", "a sign-in link for one address"
        NETWORK = "network", "a sign-in link, from one network"
        COUPON = "coupon", "a coupon's code, by one customer"
        NUMBER = "number", "a VAT number, in one order"
        CODE = "code", "a coupon's code that there is not, from one network"

    kind = models.CharField(max_length=8, choices=Kind)
    key_hash = models.CharField(max_length=64)
    at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [models.Index(fields=["kind", "key_hash", "at"], name="attempt_by_key")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"


class SentForm(models.Model):
    """A form that has done what it was sent for: sent once more, it does nothing."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=32)
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "key"], name="form_is_sent_once")
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.key}"
