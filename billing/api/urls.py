"""The shops' door, under ``/api/v1/``."""

from django.urls import URLPattern, URLResolver, path, re_path, register_converter
from django.urls.converters import StringConverter

from billing.api.resources import (
    access,
    checkout_sessions,
    coupons,
    customers,
    events,
    invoices,
    one_off_items,
    payments,
    plans,
    portal_sessions,
    subscriptions,
    test_clocks,
    usage,
    webhook_endpoints,
)
from billing.api.views import NoSuchAddress


class KeyConverter(StringConverter):
    """Our id, or ``external:`` and the shop's own, in which there may be a slash."""

    regex = "external:.+|[^/]+"


register_converter(KeyConverter, "key")
app_name = "api"
urlpatterns: list[URLPattern | URLResolver] = [
    path("customers", customers.Customers.as_view()),
    path("customers/<key:customer>", customers.OneCustomer.as_view()),
    path("plans", plans.Plans.as_view()),
    path("plans/<str:plan>", plans.OnePlan.as_view()),
    path("prices", plans.Prices.as_view()),
    path("prices/<str:price>", plans.OnePrice.as_view()),
    path("subscriptions", subscriptions.Subscriptions.as_view()),
    path("subscriptions/preview", subscriptions.PreviewStart.as_view()),
    path("subscriptions/<key:subscription>/change", subscriptions.ChangeSubscription.as_view()),
    path("subscriptions/<key:subscription>/change/preview", subscriptions.PreviewChange.as_view()),
    path("subscriptions/<key:subscription>/pause", subscriptions.PauseSubscription.as_view()),
    path("subscriptions/<key:subscription>/resume", subscriptions.ResumeSubscription.as_view()),
    path("subscriptions/<key:subscription>/cancel", subscriptions.CancelSubscription.as_view()),
    path("subscriptions/<key:subscription>/undo_cancel", subscriptions.UndoCancel.as_view()),
    path("subscriptions/<key:subscription>/undo_change", subscriptions.UndoChange.as_view()),
    # After what is done with one: an id of the shop's may have a slash.
    path("subscriptions/<key:subscription>", subscriptions.OneSubscription.as_view()),
    path("usage", usage.Usage.as_view()),
    path("usage/batch", usage.UsageBatch.as_view()),
    path("usage/periods", usage.UsagePeriods.as_view()),
    path("usage/<str:record>", usage.OneRecord.as_view()),
    path("usage/<str:record>/withdraw", usage.WithdrawUsage.as_view()),
    path("usage/<str:record>/correct", usage.CorrectUsage.as_view()),
    path("invoices", invoices.Invoices.as_view()),
    path("invoices/<str:invoice>", invoices.OneInvoice.as_view()),
    path("invoices/<str:invoice>/pdf", invoices.InvoicePdf.as_view()),
    path("invoices/<str:invoice>/pay", invoices.PayInvoice.as_view()),
    path("credit_notes", invoices.CreditNotes.as_view()),
    path("credit_notes/<str:credit_note>", invoices.OneCreditNote.as_view()),
    path("credit_notes/<str:credit_note>/pdf", invoices.CreditNotePdf.as_view()),
    path("payments", payments.Payments.as_view()),
    path("payments/<str:payment>", payments.OnePayment.as_view()),
    path("one_off_items", one_off_items.OneOffItems.as_view()),
    path("one_off_items/<str:item>", one_off_items.OneOneOffItem.as_view()),
    path("coupons/validate", coupons.ValidateCoupon.as_view()),
    path("checkout_sessions", checkout_sessions.CheckoutSessions.as_view()),
    path("checkout_sessions/<str:session>", checkout_sessions.OneCheckoutSession.as_view()),
    path(
        "checkout_sessions/<str:session>/expire", checkout_sessions.ExpireCheckoutSession.as_view()
    ),
    path("portal_sessions", portal_sessions.PortalSessions.as_view()),
    path("access", access.Access.as_view()),
    path("events", events.Events.as_view()),
    path("events/<str:event>", events.OneEvent.as_view()),
    path("events/<str:event>/send", events.SendEvent.as_view()),
    path("webhook_endpoints", webhook_endpoints.WebhookEndpoints.as_view()),
    path("webhook_endpoints/<str:endpoint>", webhook_endpoints.OneWebhookEndpoint.as_view()),
    path(
        "webhook_endpoints/<str:endpoint>/rotate_secret", webhook_endpoints.RotateSecret.as_view()
    ),
    path("webhook_endpoints/<str:endpoint>/test", webhook_endpoints.TestWebhookEndpoint.as_view()),
    path("test_clocks", test_clocks.TestClocks.as_view()),
    path("test_clocks/<str:test_clock>", test_clocks.OneTestClock.as_view()),
    path("test_clocks/<str:test_clock>/advance", test_clocks.AdvanceTestClock.as_view()),
    # Last, and without a redirect to an address with a slash.
    re_path("", NoSuchAddress.as_view()),
]
