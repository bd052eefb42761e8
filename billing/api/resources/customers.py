"""Customers: made, found by our id or the shop's own, and kept right. None is deleted."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.fields import (
    Addresses,
    Boolean,
    Choice,
    Country,
    Email,
    Integer,
    Metadata,
    Text,
    Writing,
)
from billing.api.filtering import Filters
from billing.api.reading import Reading, Reference
from billing.api.scopes import Scope
from billing.api.scoping import find_customer, for_seller
from billing.api.views import Endpoint, Listing, reply
from customers import actions
from customers.models import LANGUAGES, REFERENCE_MAX, Customer

COUNTRY = (
    "Decides the VAT. A new customer for whom nothing is said is taken to be in the seller's own "
    "country: say it where you sell abroad."
)
INVOICE_TO = "Get invoices, credit notes and receipts, in place of `email`; ten at most."
REMINDER_TO = "Get reminders; where nobody is named, they go where invoices go."
REFERENCE = "The buyer's own, such as a cost centre or an order number: printed on documents."


class CustomerReading(Reading):
    """Who is billed."""

    scope = Scope.CUSTOMERS_READ
    shown_as = ("cus", Customer)

    id = serializers.CharField(source="public_id")
    external_id = serializers.CharField(allow_null=True, help_text="The shop's own id.")
    name = serializers.CharField()
    email = serializers.CharField(allow_blank=True)
    is_business = serializers.BooleanField()
    address_line1 = serializers.CharField(allow_blank=True)
    address_line2 = serializers.CharField(allow_blank=True)
    postal_code = serializers.CharField(allow_blank=True)
    city = serializers.CharField(allow_blank=True)
    country = Country()
    language = serializers.ChoiceField(LANGUAGES)
    vat_number = serializers.CharField(allow_blank=True)
    organisation_number = serializers.CharField(allow_blank=True)
    business_evidence = serializers.CharField(
        allow_blank=True,
        help_text="Outside the EU, where no number shows that this is a business: what does.",
    )
    buyer_reference = serializers.CharField(allow_blank=True, help_text=REFERENCE)
    net_terms_days = serializers.IntegerField(help_text="Days from an invoice to its due date.")
    collection = serializers.ChoiceField(Customer.Collection.choices)
    invoice_to = serializers.ListField(child=serializers.CharField(), help_text=INVOICE_TO)
    invoice_cc = serializers.ListField(child=serializers.CharField(), help_text="Get a copy.")
    reminder_to = serializers.ListField(child=serializers.CharField(), help_text=REMINDER_TO)
    reminder_cc = serializers.ListField(child=serializers.CharField(), help_text="Get a copy.")
    is_consolidated = serializers.BooleanField(
        help_text="One document for all subscriptions, or one for each."
    )
    metadata = Metadata()
    merged_into = Reference(
        "CustomerReading",
        is_rare=True,
        allow_null=True,
        help_text="The customer who goes on in place of this one. It is closed then: what changes "
        "it is 409 `customer_merged`, and lists by either of the two have what is of both.",
    )
    recorded_at = serializers.DateTimeField()


class CustomerWriting(Writing):
    external_id = Text(max_length=100, required=False, allow_null=True)
    name = Text()
    email = Email(max_length=254, required=False, allow_blank=True)
    is_business = Boolean(required=False)
    address_line1 = Text(required=False, allow_blank=True)
    address_line2 = Text(required=False, allow_blank=True)
    postal_code = Text(max_length=20, required=False, allow_blank=True)
    city = Text(max_length=100, required=False, allow_blank=True)
    country = Country(required=False, help_text=COUNTRY)
    language = Choice(LANGUAGES, required=False)
    vat_number = Text(max_length=20, required=False, allow_blank=True)
    organisation_number = Text(max_length=30, required=False, allow_blank=True)
    business_evidence = Text(max_length=200, required=False, allow_blank=True)
    buyer_reference = Text(
        max_length=REFERENCE_MAX, required=False, allow_blank=True, help_text=REFERENCE
    )
    net_terms_days = Integer(min_value=0, max_value=365, required=False)
    collection = Choice(Customer.Collection.choices, required=False)
    invoice_to = Addresses(required=False, help_text=INVOICE_TO)
    invoice_cc = Addresses(required=False, help_text="Get a copy.")
    reminder_to = Addresses(required=False, help_text=REMINDER_TO)
    reminder_cc = Addresses(required=False, help_text="Get a copy.")
    is_consolidated = Boolean(required=False)
    metadata = Metadata(required=False)


class CustomerFilters(Filters):
    email = django_filters.CharFilter(lookup_expr="iexact", label="Upper and lower case alike.")
    external_id = django_filters.CharFilter(label="The shop's own id.")

    class Meta:
        model = Customer
        fields: tuple[str, ...] = ()


class Customers(Listing):
    address = "customers"
    scopes = {"GET": Scope.CUSTOMERS_READ, "POST": Scope.CUSTOMERS_WRITE}
    reading = CustomerReading
    filterset_class = CustomerFilters
    needs_key = True

    def rows(self) -> QuerySet[Customer]:
        return for_seller(Customer, self.seller)

    @extend_schema(
        operation_id="list_customers",
        summary="List customers",
        tags=["customers"],
        responses=CustomerReading(many=True),
    )
    def get(self, request: Request) -> HttpResponse:
        return self.page()

    @extend_schema(
        operation_id="create_customer",
        summary="Make a customer",
        tags=["customers"],
        request=CustomerWriting,
        responses={201: CustomerReading},
    )
    def post(self, request: Request) -> HttpResponse:
        details = self.sent(CustomerWriting)
        customer = actions.add_customer(self.seller, as_of=self.today, actor=self.actor, **details)
        return reply(self.show(customer), 201)


class OneCustomer(Endpoint):
    address = "customers/<key:customer>"
    scopes = {"GET": Scope.CUSTOMERS_READ, "PATCH": Scope.CUSTOMERS_WRITE}
    reading = CustomerReading

    @extend_schema(
        operation_id="get_customer",
        summary="Get a customer",
        description="By our id, or as `external:` and the shop's own.",
        tags=["customers"],
        responses=CustomerReading,
    )
    def get(self, request: Request, customer: str) -> HttpResponse:
        return reply(self.show(find_customer(self.seller, customer, attr=None)))

    @extend_schema(
        operation_id="update_customer",
        summary="Change a customer's details",
        description="What is not sent stays. `metadata` is replaced as a whole.",
        tags=["customers"],
        request=CustomerWriting,
        responses=CustomerReading,
    )
    def patch(self, request: Request, customer: str) -> HttpResponse:
        details: dict[str, Any] = self.sent(CustomerWriting, is_partial=True)
        found = find_customer(self.seller, customer, attr=None)
        changed = actions.change_details(found, as_of=self.today, actor=self.actor, **details)
        return reply(self.show(changed))
