"""Where apps above join in with the pages of the desk."""

from datetime import datetime
from typing import Protocol

from billing.base.hooks import Hook


class SellerNow(Protocol):
    """What time it is for a seller, who may have a test clock; None for what is no seller.

    Called by each page that asks for today; no lock is held. One alone knows.
    """

    def __call__(self, seller: object, /) -> datetime | None: ...


seller_now: Hook[SellerNow] = Hook()
