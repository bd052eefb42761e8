from django.db import models
from django.db.models.functions import Now


class DoneForm(models.Model):
    """A form of a page action that was sent and done: the same one does nothing a second time."""

    model = models.CharField(max_length=200, help_text="app.model of what its page is about.")
    object_id = models.TextField()
    key = models.CharField(max_length=20)
    sent_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["model", "object_id", "key"], name="form_is_done_once")
        ]
        indexes = [models.Index(fields=["sent_at"], name="done_form_by_age")]

    def __str__(self) -> str:
        return f"{self.key} of {self.model} {self.object_id}"
