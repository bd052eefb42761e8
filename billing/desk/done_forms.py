"""Which forms have been sent, so that one that is sent twice is done once."""

from datetime import datetime, timedelta

from django.db import models

from billing.desk.models import DoneForm

# Nobody sends a page again that has been open for so long.
KEPT = timedelta(days=30)


def note_done(obj: models.Model, key: str) -> bool:
    """Note that a form about an object is done; False where it was done before.

    In the transaction of what it does, so that a form that came to nothing may be sent again.
    """
    _, is_new = DoneForm.objects.get_or_create(
        model=obj._meta.label_lower, object_id=str(obj.pk), key=key
    )
    return is_new


def forget_done_forms(now: datetime) -> int:
    return DoneForm.objects.filter(sent_at__lt=now - KEPT).delete()[0]
