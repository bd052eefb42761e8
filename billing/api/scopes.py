"""What a key may be allowed: one fixed table, so that a scope means the same in every shop."""

from django.db import models


class Scope(models.TextChoices):
    """``thing:read`` sees it, ``thing:write`` makes and changes it; neither includes the other."""

    CUSTOMERS_READ = "customers:read", "see customers"
    CUSTOMERS_WRITE = "customers:write", "make and change customers"
    PLANS_READ = "plans:read", "see plans and prices"
    SUBSCRIPTIONS_READ = "subscriptions:read", "see subscriptions, preview changes"
    SUBSCRIPTIONS_WRITE = "subscriptions:write", "start, change and cancel subscriptions"
    USAGE_READ = "usage:read", "see what was used"
    USAGE_WRITE = "usage:write", "record and correct usage"
    INVOICES_READ = "invoices:read", "see invoices and their PDFs"
    PAYMENTS_READ = "payments:read", "see payments"
    PAYMENTS_WRITE = "payments:write", "charge saved cards"
    CREDIT_NOTES_READ = "credit_notes:read", "see credit notes"
    CREDIT_NOTES_WRITE = "credit_notes:write", "credit invoices"
    ONE_OFF_ITEMS_READ = "one_off_items:read", "see one-off items"
    ONE_OFF_ITEMS_WRITE = "one_off_items:write", "add one-off items"
    COUPONS_READ = "coupons:read", "validate coupons"
    CHECKOUT_READ = "checkout_sessions:read", "see checkout sessions"
    CHECKOUT_WRITE = "checkout_sessions:write", "make and expire checkout sessions"
    PORTAL_WRITE = "portal_sessions:write", "sign customers in to their pages"
    ACCESS_READ = "access:read", "ask what a customer may use"
    EVENTS_READ = "events:read", "read events"
    WEBHOOKS_READ = "webhook_endpoints:read", "see webhook endpoints"
    WEBHOOKS_WRITE = "webhook_endpoints:write", "make and change webhook endpoints"
    CLOCKS_READ = "test_clocks:read", "see test clocks"
    CLOCKS_WRITE = "test_clocks:write", "make and move test clocks"


ALL = frozenset(Scope.values)
# A publishable key stands in the shop's own pages, where anybody reads it.
PUBLISHABLE = frozenset({Scope.PLANS_READ, Scope.COUPONS_READ, Scope.CHECKOUT_WRITE})
