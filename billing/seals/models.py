import pgtrigger
from django.db import models


class Seal(models.Model):
    """A digest of rows that never change, chained to the seal before it.

    Triggers refuse a change; whoever owns the tables can switch them off. After that the rows no
    longer fit their digest, and a digest made anew no longer fits the marks that follow it.
    """

    chain = models.CharField(max_length=80, help_text="What is sealed, such as transfers.")
    position = models.PositiveIntegerField(help_text="From 1, without a gap in its chain.")
    after = models.BigIntegerField(help_text="Sealed are the keys above this one,")
    until = models.BigIntegerField(help_text="up to this one.")
    rows = models.PositiveIntegerField()
    columns = models.JSONField(help_text="What was sealed of each table: later ones are not in it.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the rows.")
    mark = models.CharField(max_length=64, help_text="SHA-256 of the mark before and the digest.")
    sealed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["chain", "position"], name="seal_position_is_unique"),
        ]
        triggers = [
            pgtrigger.Protect(
                name="seal_is_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            ),
        ]

    def __str__(self) -> str:
        return f"{self.chain} {self.position}"


class Horizon(models.Model):
    """How far a table had come at an instant: sealed once all that was under way then is over."""

    chain = models.CharField(max_length=80, unique=True)
    until = models.BigIntegerField()
    transaction_id = models.BigIntegerField(help_text="All transactions below it must be over.")

    def __str__(self) -> str:
        return f"{self.chain} up to {self.until}"
