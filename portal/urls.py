"""The customers' door, under ``/portal/``; and ``/pay/``, which ``pay_urls`` has."""

from django.urls import URLPattern, URLResolver, path
from django.views.i18n import set_language

from portal.views import (
    accounts,
    back,
    brand,
    details,
    export,
    home,
    invoices,
    methods,
    sign_in,
    subscriptions,
)

app_name = "portal"
_SUBSCRIPTION = "subscriptions/<slug:public_id>/"
urlpatterns: list[URLPattern | URLResolver] = [
    # Without being signed in
    path("", sign_in.sign_in, name="sign_in"),
    path("enter/<slug:token>/", sign_in.enter, name="enter"),
    path("enter/<slug:token>/again/", sign_in.ask_again, name="ask_again"),
    path("s/<slug:token>/", sign_in.enter_subscription, name="enter_subscription"),
    path("sign-out/", sign_in.sign_out, name="sign_out"),
    path("language/", set_language, name="language"),
    path("theme/<slug:seller_id>-<slug:digest>.css", brand.theme, name="theme"),
    path("logo/<slug:seller_id>-<slug:digest>.png", brand.logo, name="logo"),
    # For customers
    path("home/", home.home, name="home"),
    path("accounts/", accounts.accounts, name="accounts"),
    path("invoices/", invoices.invoices, name="invoices"),
    path("invoices/<slug:public_id>/", invoices.invoice, name="invoice"),
    path("invoices/<slug:public_id>/pdf/", invoices.invoice_pdf, name="invoice_pdf"),
    path("invoices/<slug:public_id>/pay/", invoices.pay, name="pay"),
    path("payments/<slug:public_id>/receipt/", invoices.receipt, name="receipt"),
    path("back/", back.back, name="back"),
    path("methods/", methods.methods, name="methods"),
    path("methods/add/", methods.add, name="add_method"),
    path("methods/charge/", methods.charge_from_now_on, name="charge_from_now_on"),
    path("methods/<slug:public_id>/default/", methods.make_default, name="default_method"),
    path("methods/<slug:public_id>/remove/", methods.remove, name="remove_method"),
    path("details/", details.details, name="details"),
    path("export/", export.export, name="export"),
    # For customers, and for who has a link to the one subscription
    path(_SUBSCRIPTION, subscriptions.subscription, name="subscription"),
    path(f"{_SUBSCRIPTION}change/", subscriptions.change, name="change"),
    path(f"{_SUBSCRIPTION}coupon/", subscriptions.coupon, name="coupon"),
    path(f"{_SUBSCRIPTION}pause/", subscriptions.pause, name="pause"),
    path(f"{_SUBSCRIPTION}resume/", subscriptions.resume, name="resume"),
    path(f"{_SUBSCRIPTION}cancel/", subscriptions.cancel, name="cancel"),
    path(f"{_SUBSCRIPTION}undo/", subscriptions.undo, name="undo"),
    path(f"{_SUBSCRIPTION}undo-change/", subscriptions.undo_change, name="undo_change"),
    path(f"{_SUBSCRIPTION}withdraw/", subscriptions.withdraw, name="withdraw"),
]
