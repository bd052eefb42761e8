"""Filters of lists: django-filter's, with the API's errors, and customers by any of their ids."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError

from billing.api.errors import ApiError, invalid
from billing.api.scoping import find_customer, find_plan, find_subscription, for_seller
from billing.subscriptions.models import Subscription
from customers.persons import person_ids

BACKEND = DjangoFilterBackend


class Filters(FilterSet):
    """The filters of one list. Names are those of the fields that they compare."""

    @classmethod
    def applied(cls, query: Any, rows: QuerySet[Any], request: Any) -> QuerySet[Any]:
        """The rows that a query chooses; making the form is left out where nothing is chosen."""
        if not any(name in query for name in cls.base_filters):
            return rows
        chosen = cls(query, queryset=rows, request=request)
        if not chosen.is_valid():
            raise ValidationError(
                {
                    name: [error["message"] for error in errors]
                    for name, errors in chosen.errors.get_json_data().items()
                },
                "invalid",
            )
        found: QuerySet[Any] = chosen.qs
        return found


class CustomerFilter(django_filters.CharFilter):
    """A customer by our id, or as ``external:`` and the shop's own, with all who are one person
    with it; one that does not exist is refused, for it chooses nothing.
    """

    def __init__(self, path: str = "customer", **options: Any) -> None:
        self.path = path
        options.setdefault(
            "label",
            "A customer: `cus_…`, or `external:` and the shop's own id. Of customers who were "
            "merged it has what is of all of them.",
        )
        super().__init__(field_name=path, **options)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        try:
            customer = find_customer(self.parent.request.user.seller, value)
        except ApiError as missing:
            raise invalid("customer", "unknown_customer", str(missing.detail)) from missing
        return qs.filter(**{f"{self.path}__in": person_ids(customer)})


class SubscriptionFilter(django_filters.CharFilter):
    """A subscription by our id or the shop's own; one that does not exist is refused."""

    def __init__(self, **options: Any) -> None:
        said = "A subscription: `sub_…`, or `external:` and the shop's own id."
        super().__init__(field_name="subscription", label=said, **options)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        rows = for_seller(Subscription, self.parent.request.user.seller)
        try:
            subscription = find_subscription(rows, value)
        except ApiError as missing:
            raise invalid("subscription", "unknown_subscription", str(missing.detail)) from missing
        return qs.filter(subscription=subscription.pk)


class PlanFilter(django_filters.CharFilter):
    """A plan by its id or its code; one that does not exist is refused, for it chooses nothing."""

    def __init__(self, **options: Any) -> None:
        super().__init__(field_name="plan", label="A plan's id or code.", **options)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        try:
            plan = find_plan(self.parent.request.user.seller, value)
        except ApiError as missing:
            raise invalid("plan", "unknown_plan", str(missing.detail)) from missing
        return qs.filter(plan=plan.pk)


class DayFilter(django_filters.DateFilter):
    """A day as 2026-03-01; the form would read 3/1/2026 as well, in the American order."""

    def __init__(self, **options: Any) -> None:
        said = {"invalid": "Write a day such as 2026-03-01."}
        super().__init__(input_formats=["%Y-%m-%d"], error_messages=said, **options)


@extend_schema_field({"type": "boolean"})
class YesNoFilter(django_filters.TypedChoiceFilter):
    """``true`` or ``false``, and nothing that is taken for either."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("choices", [("true", "true"), ("false", "false")])
        super().__init__(coerce=lambda text: text == "true", **options)
