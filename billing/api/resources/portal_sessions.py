"""Portal sessions: a link that signs a customer in to their own pages."""

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.fields import CustomerKey, Url, Writing
from billing.api.reading import Reading, instant
from billing.api.return_urls import check_return_url
from billing.api.scopes import Scope
from billing.api.scoping import find_customer
from billing.api.views import Endpoint, reply
from customers import links
from customers.calendar import now_of


class PortalSessionReading(Reading):
    """A link that opens once, until ``expires_at``: send the customer to it at once."""

    customer = serializers.CharField()
    url = serializers.CharField()
    return_url = serializers.CharField(allow_blank=True)
    expires_at = serializers.DateTimeField()


class PortalSessionWriting(Writing):
    customer = CustomerKey()
    return_url = Url(required=False, help_text="Where the customer can go back to.")


class PortalSessions(Endpoint):
    address = "portal_sessions"
    scopes = {"POST": Scope.PORTAL_WRITE}
    is_secret = True

    @extend_schema(
        operation_id="create_portal_session",
        summary="Sign a customer in to their pages",
        description="The link opens once and within 15 minutes.",
        tags=["portal sessions"],
        request=PortalSessionWriting,
        responses={201: PortalSessionReading},
    )
    def post(self, request: Request) -> HttpResponse:
        asked = self.sent(PortalSessionWriting)
        return_url = asked.get("return_url", "")
        if return_url:
            check_return_url(return_url, self.caller, "return_url")
        customer = find_customer(self.seller, asked["customer"])
        now = now_of(self.seller)
        token = links.make_link(customer, links.Purpose.PORTAL, now=now, return_url=return_url)
        return reply(
            {
                "customer": customer.public_id,
                "url": links.address_of(links.Purpose.PORTAL, token),
                "return_url": return_url,
                "expires_at": instant(now + links.LIVES[links.Purpose.PORTAL]),
            },
            201,
        )
