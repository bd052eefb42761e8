"""The addresses of the house."""

from allauth.account import views as account
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView

from billing.api import docs
from billing.demo.customers import enter_as
from billing.demo.kiosk_views import let_time_pass
from billing.demo.views import api_key, buy, buy_at_kiosk, demo
from billing.front_page.scope import choose_seller
from billing.jobs.views import healthz
from billing.monitoring.views import metrics
from billing.payments.views import hook


def nothing(request: HttpRequest, rest: str) -> HttpResponse:
    """Where Django has a page and we have none."""
    raise Http404


# Of allauth's pages those that staff need: nobody signs up, and no mail brings anybody back in.
sign_in = [
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("password/change/", account.password_change, name="account_change_password"),
    path("password/set/", account.password_set, name="account_set_password"),
    path("2fa/", include("allauth.mfa.urls")),
]

handler400 = "portal.failures.unreadable"
handler403 = "portal.failures.forbidden"
handler404 = "portal.failures.not_found"
handler429 = "portal.failures.too_many"
handler500 = "portal.failures.failed"

urlpatterns = [
    path("accounts/", include(sign_in)),
    # The admin's own pages for these ask for no second factor and count no attempts.
    path("admin/login/", RedirectView.as_view(pattern_name="account_login", query_string=True)),
    path("admin/password_change/", RedirectView.as_view(pattern_name="account_change_password")),
    # Nothing of ours has a page elsewhere, and Django would ask any table for the row.
    path("admin/r/<path:rest>", nothing),
    path("admin/seller/", admin.site.admin_view(choose_seller), name="choose_seller"),
    path("admin/", admin.site.urls),
    path("hooks/<slug:gateway>", hook),
    path("healthz", healthz),
    path("metrics", metrics),
    # Who comes to the bare address is a customer, or knows where the desk is.
    path("", require_safe(RedirectView.as_view(pattern_name="portal:sign_in"))),
    path("demo/", demo, name="demo"),
    path("demo/mail/", include("billing.demo.mail_urls")),
    path("demo/buy/", buy, name="demo_buy"),
    path("demo/kiosk/buy/", buy_at_kiosk, name="demo_kiosk_buy"),
    path("demo/kiosk/key/", api_key, name="demo_kiosk_key"),
    path("demo/kiosk/time/", let_time_pass, name="demo_kiosk_time"),
    path("demo/customers/<slug:public_id>/", enter_as, name="demo_enter_as"),
    path("portal/", include("portal.urls")),
    path("pay/", include("portal.pay_urls")),
    path("api/v1/", include("billing.api.urls")),
    path("api/openapi.json", docs.openapi, name="openapi"),
    path("api/docs/", docs.page, name="api_docs"),
]
