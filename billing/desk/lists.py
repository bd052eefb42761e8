"""Lists of big tables."""

from typing import Any, cast

from django.contrib.admin.views.main import ChangeList
from django.contrib.postgres.aggregates import ArrayAgg
from django.contrib.postgres.fields import ArrayField
from django.core.paginator import Paginator
from django.db import models
from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
    Count,
    F,
    Func,
    QuerySet,
    Value,
    When,
)
from django.db.models.lookups import LessThanOrEqual
from django.http import HttpRequest
from django.utils.functional import cached_property

from billing.desk.figures import address_of
from billing.desk.of_seller import (
    is_of_all_sellers,
    is_of_sellers,
    of_seller,
    shown_seller,
)

KEYS: ArrayField = ArrayField(BigIntegerField())


class IsAnyOf(Func):
    """Whether the first is in the second, an array: thousands of keys are one parameter."""

    template = "%(expressions)s)"
    arg_joiner = " = ANY ("
    output_field = BooleanField()


class CappedPaginator(Paginator):
    """Counts no further than anybody pages: counting millions of rows takes longer than a list."""

    COUNT_MAX = 10_000

    @cached_property
    def count(self) -> int:
        rows = cast(Any, self.object_list)
        if (known := getattr(rows, "known_count", None)) is not None:
            return int(known)
        return int(rows.order_by()[: self.COUNT_MAX].count())


class DeskList(ChangeList):
    """A list that reads what it shows; of more rows than are counted it sorts the newest alone.

    The keys are sorted first: wide rows, and what they join, are read for one page only. All the
    keys are asked for: for a few PostgreSQL would walk a joined table in the order of its index.
    """

    SORTED_MAX = 1_000
    sorts_newest = 0

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet:
        found = super().get_queryset(request, exclude_parameters)
        chosen = shown_seller(request)
        self.seller = chosen if is_of_sellers(found.model) else None
        self.not_only_of = chosen if is_of_all_sellers(found.model) else None
        if self.seller:
            found = of_seller(found, self.seller, is_big=self._is_big)
        if isinstance(self.list_select_related, tuple):
            found = found.select_related(None).select_related(*self.list_select_related)
        if not self._is_big:
            return found
        if not self.get_filters_params() and not self.seller:
            return self._newest(found) if self._is_sorted else found
        # Those who pass are looked up before they are put in order: PostgreSQL expects more of
        # them, and would walk the whole table in that order until a page is full.
        keys = self._keys_of_few(found)
        if keys is not None:
            found = found.filter(IsAnyOf(F("pk"), Value(keys, KEYS)))
        elif self._is_sorted:
            return self._newest(found)
        cast(Any, found).known_count = self._counted if keys is None else len(keys)
        return found

    def _keys_of_few(self, found: QuerySet) -> list[int] | None:
        """The keys of what is found; None where it is more than are counted.

        PostgreSQL counts them, so that thousands of keys are not sent only to be too many.
        """
        some = found.order_by().values("pk")[: self._counted + 1]
        few = Case(
            When(LessThanOrEqual(Count("*"), self._counted), then=ArrayAgg("pk", default=[]))
        )
        return cast(list[int] | None, some.aggregate(keys=few)["keys"])

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # Else it is added in each row anew, after finding out by its address what page it leads to.
        self._asked = f"?{self.preserved_filters}" if self.preserved_filters else ""
        self.preserved_filters = ""
        if self._is_big and self._is_sorted:
            keys = list(self.queryset.values_list("pk", flat=True))
            if self.multi_page and not (self.show_all and self.can_show_all):
                first = (self.page_num - 1) * self.list_per_page
                keys = keys[first : first + self.list_per_page]
            self.result_list = self.queryset.filter(pk__in=keys)

    def url_for_result(self, result: models.Model) -> str:
        """With what the list was asked for, so that one comes back to it from the row's page."""
        return f"{address_of(result)}{self._asked}"

    def _newest(self, found: QuerySet) -> QuerySet:
        """What can be sorted of it: all, or of more than are counted the newest."""
        newest = found.order_by("-pk").values_list("pk", flat=True)
        if not newest[self._counted :][:1]:
            return found
        self.sorts_newest = self.SORTED_MAX
        return found.filter(pk__gte=newest[self.SORTED_MAX - 1])

    @property
    def _counted(self) -> int:
        return CappedPaginator.COUNT_MAX

    @property
    def _is_big(self) -> bool:
        return issubclass(self.model_admin.paginator, CappedPaginator)

    @property
    def _is_sorted(self) -> bool:
        return bool(self.params.get("o"))
