"""Pages of a list: newest first, told apart by the row's id, named by its public one."""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from django.db.models import QuerySet
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from billing.api.errors import invalid
from billing.api.scoping import for_seller

LIMIT, LIMIT_MAX = 20, 100
_POSITION = re.compile(r"([ab]):([a-z]+_[0-9a-f]{24})")


class Cursor(CursorPagination):
    """DRF's cursors, over a number that is unique, so that a position alone is enough.

    A cursor names the row that it stands at by its public id: integer keys stay inside.
    """

    page_size = LIMIT
    max_page_size = LIMIT_MAX
    page_size_query_param = "limit"
    ordering = "-id"
    page_size_query_description = f"How many at most: 1 to {LIMIT_MAX}."
    cursor_query_description = "Where to go on: taken from `next` or `previous` of an answer."

    page: list[Any]

    @property
    def counted(self) -> str:
        """The field whose numbers put the list in order."""
        return self.ordering.removeprefix("-")

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.request = request
        query = request.query_params
        limit = self._limit(query.get("limit"))
        came_from = query.get("cursor")
        is_back = False
        if came_from is not None:
            is_back, stands_at = self._position(came_from, queryset)
            side = "gt" if is_back else "lt"
            queryset = queryset.filter(**{f"{self.counted}__{side}": stands_at})
        found = list(queryset.order_by(self.counted if is_back else self.ordering)[: limit + 1])
        has_more = len(found) > limit
        page = found[:limit]
        if is_back:
            page.reverse()
        self.has_next = bool(page) and (is_back or has_more)
        self.has_previous = bool(page) and (has_more if is_back else came_from is not None)
        self.page = page
        return page

    def _limit(self, given: str | None) -> int:
        if given is None:
            return LIMIT
        if not re.fullmatch("[0-9]{1,3}", given) or not 1 <= int(given) <= LIMIT_MAX:
            raise invalid("limit", "invalid", f"Write a number from 1 to {LIMIT_MAX}.")
        return int(given)

    def _position(self, given: str, queryset: QuerySet[Any]) -> tuple[bool, int]:
        try:
            match = _POSITION.fullmatch(urlsafe_b64decode(given.encode("ascii")).decode("ascii"))
        except (ValueError, binascii.Error):
            match = None
        if match:
            # Without the list's filters: what it stands at may have left the list since.
            of_seller = self.request.user.seller  # type: ignore[union-attr]
            rows = for_seller(queryset.model, of_seller).filter(public_id=match[2])
            stands_at = rows.values_list(self.counted, flat=True).first()
            if stands_at is not None:
                return match[1] == "b", stands_at
        raise invalid("cursor", "invalid_cursor", "Take a cursor from “next” or “previous”.")

    def get_next_link(self) -> str | None:
        return self._link("a", self.page[-1]) if self.has_next else None

    def get_previous_link(self) -> str | None:
        return self._link("b", self.page[0]) if self.has_previous else None

    def _link(self, side: str, row: Any) -> str:
        query = self.request._request.GET.copy()
        query["cursor"] = urlsafe_b64encode(f"{side}:{row.public_id}".encode()).decode()
        request = self.request._request
        return f"{request.build_absolute_uri(request.path)}?{query.urlencode()}"

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }
