"""Pages that a link alone opens, under ``/pay/``: a checkout, an invoice to pay, another card."""

from django.urls import URLPattern, URLResolver, path
from django.views.generic import RedirectView

from customers.links import Purpose
from portal.views import back_again, checkout, pay

app_name = "pay"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(url="/portal/"), name="root"),
    path("c/<str:token>/", checkout.checkout, name="checkout"),
    path("c/<str:token>/card/", checkout.card, name="checkout_card"),
    path("c/<str:token>/receipt.pdf", checkout.receipt, name="checkout_receipt"),
    path("i/<str:token>/", pay.invoice, name="invoice"),
    path("i/<str:token>/invoice.pdf", pay.invoice_pdf, name="invoice_pdf"),
    path("i/<str:token>/receipt.pdf", pay.receipt, name="receipt"),
    path("i/<str:token>/code.png", pay.square, name="square"),
    path("i/<str:token>/again/", pay.ask_again, {"purpose": Purpose.PAY}, name="ask_invoice"),
    path("m/<str:token>/", pay.method, name="method"),
    path("m/<str:token>/again/", pay.ask_again, {"purpose": Purpose.METHOD}, name="ask_method"),
    path("back/<slug:subject>/", back_again.back, name="back"),
]
