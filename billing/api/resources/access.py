"""Access: may a customer use a plan, or a feature, today?"""

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.errors import invalid, not_found
from billing.api.reading import Reading
from billing.api.scopes import Scope
from billing.api.scoping import find_customer, find_plan, for_seller
from billing.api.views import Endpoint, reply
from billing.subscriptions.entitlements import ACCESSES, REASONS, entitlement
from catalog.models import Plan


class AccessReading(Reading):
    """What a customer may use, and why."""

    customer = serializers.CharField()
    plan = serializers.CharField(allow_null=True, help_text="Its code.")
    feature = serializers.CharField(allow_null=True)
    access = serializers.ChoiceField(ACCESSES)
    reason = serializers.ChoiceField(REASONS)
    since = serializers.DateField(allow_null=True)
    until = serializers.DateField(
        allow_null=True, help_text="The first day on which it is known to change."
    )
    subscription = serializers.CharField(allow_null=True)


class Access(Endpoint):
    address = "access"
    scopes = {"GET": Scope.ACCESS_READ}
    parameters = frozenset({"customer", "plan", "feature"})

    @extend_schema(
        operation_id="get_access",
        summary="Ask what a customer may use",
        description="Ask for a plan or for a feature. Of several subscriptions the one that allows "
        "most counts: `full`, `restricted` (late with paying) or `none`. A plan or a feature that "
        "does not exist is 404.",
        tags=["access"],
        parameters=[
            OpenApiParameter(
                "customer", str, required=True, description="`cus_…`, or `external:` and your id."
            ),
            OpenApiParameter("plan", str, description="A plan's id or code."),
            OpenApiParameter("feature", str, description="A feature's code."),
        ],
        responses=AccessReading,
    )
    def get(self, request: Request) -> HttpResponse:
        query = request.query_params
        plan, feature = query.get("plan"), query.get("feature")
        if not query.get("customer"):
            raise invalid("customer", "required", "Say which customer.")
        if (plan is None) == (feature is None):
            raise invalid("plan", "required", "Say plan or feature, and one of them only.")
        customer = find_customer(self.seller, query["customer"])
        if plan is not None:
            plan = find_plan(self.seller, plan).code
        elif not for_seller(Plan, self.seller).filter(features__contains=[feature]).exists():
            raise not_found("feature", "feature")
        found = entitlement(customer, as_of=self.today, plan=plan, feature=feature)
        return reply(
            {
                "customer": customer.public_id,
                "plan": plan,
                "feature": feature,
                "access": found.access,
                "reason": found.reason,
                "since": found.since.isoformat() if found.since else None,
                "until": found.until.isoformat() if found.until else None,
                "subscription": found.subscription.public_id if found.subscription else None,
            }
        )
