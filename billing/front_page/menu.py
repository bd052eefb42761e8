"""The desk's menu: by what people come to do, not by app."""

from functools import lru_cache
from itertools import chain
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import get_script_prefix, reverse
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from billing.desk.labels import in_words

# Title, icon, model as app.name (none is the front page), query.
type Entry = tuple[str, str, str, str]
type Group = tuple[str, tuple[Entry, ...]]
# What is come for every day. The other groups unfold with a click, and for a page that is in one.
OPEN = {"Work", "Customers", "Billing"}
TODAY: Entry = ("Today", "today", "", "")

MENU: tuple[Group, ...] = (
    (
        "Work",
        (
            ("Parked subscriptions", "front_hand", "subscriptions.subscription", "work=parked"),
            ("Open invoices", "hourglass_top", "invoicing.invoice", "work=open"),
            ("Overdue invoices", "alarm", "invoicing.invoice", "work=overdue"),
        ),
    ),
    (
        "Customers",
        (
            ("Customers", "group", "customers.customer", ""),
            ("Mail", "mail", "mail.message", ""),
        ),
    ),
    (
        "Selling",
        (
            ("Products", "category", "catalog.product", ""),
            ("Plans", "layers", "catalog.plan", ""),
            ("Prices", "sell", "catalog.price", ""),
            ("Coupons", "redeem", "catalog.coupon", ""),
        ),
    ),
    ("Shops", (("API keys", "key", "api.apikey", ""),)),
    (
        "Billing",
        (
            ("Subscriptions", "autorenew", "subscriptions.subscription", ""),
            ("Invoices", "receipt_long", "invoicing.invoice", ""),
            ("Credit notes", "assignment_return", "invoicing.creditnote", ""),
            ("One-off items", "add_shopping_cart", "invoicing.oneoffitem", ""),
            ("Usage", "speed", "usage.usagerecord", ""),
        ),
    ),
    (
        "Money",
        (
            ("Payments", "payments", "payments.payment", ""),
            ("Checkouts", "shopping_cart", "payments.order", ""),
            ("Refunds", "undo", "payments.refund", ""),
            ("Kill switches", "emergency_home", "outbound.killswitch", ""),
            ("Holds", "pause_circle", "outbound.hold", ""),
            ("Late debts", "notifications", "dunning.dunningcase", ""),
            ("Gateway events", "bolt", "payments.gatewayevent", ""),
            ("Balances", "account_balance_wallet", "invoicing.customerbalance", ""),
        ),
    ),
    (
        "Books",
        (
            ("Accounts", "menu_book", "ledger.account", ""),
            ("Transfers", "swap_horiz", "ledger.transfer", ""),
        ),
    ),
    (
        "Settings",
        (
            ("Sellers", "storefront", "customers.seller", ""),
            ("Tax rates", "percent", "tax.taxrate", ""),
            ("VAT registrations", "app_registration", "tax.taxregistration", ""),
            ("VAT number checks", "verified", "tax.vatnumbercheck", ""),
            ("Dunning policies", "rule", "dunning.dunningpolicy", ""),
            ("Meters", "straighten", "usage.meter", ""),
            ("Number series", "tag", "invoicing.numberseries", ""),
            ("Events", "bolt", "events.event", ""),
            ("Webhook endpoints", "webhook", "events.webhookendpoint", ""),
            ("Staff", "badge", "auth.user", ""),
            ("Roles", "key", "auth.group", ""),
            ("Failed sign-ins", "lock", "axes.accessattempt", ""),
        ),
    ),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """What every page of the desk has around it."""
    visible = _visible(request)
    entries = chain.from_iterable(group for _, group in visible)
    here = next((entry for entry in entries if _is_here(request, entry)), None)
    return {
        "scope": getattr(request, "desk_scope", None),
        "menu": _menu(visible, here, get_script_prefix(), get_language() or "en"),
        "colors": None,  # They stand in the stylesheet rather than in each page.
    }


def _visible(request: HttpRequest) -> tuple[Group, ...]:
    found: list[Group] = [("", (TODAY,))]
    for title, group in MENU:
        if entries := tuple(entry for entry in group if _may_see(request, entry[2])):
            found.append((title, entries))
    return tuple(found)


@lru_cache(maxsize=1024)
def _menu(visible: tuple[Group, ...], here: Entry | None, prefix: str, language: str) -> SafeString:
    """The menu; kept, because all who may see the same are shown the same on page after page.

    ``prefix`` is the path that the site stands under, and ``language`` the one that is active: the
    addresses that are kept begin with it, and the titles are in it.
    """
    groups = [
        (
            in_words(title),
            [(in_words(entry[0]), entry[1], _address(entry), entry == here) for entry in group],
            title in OPEN or here in group,
        )
        for title, group in visible
    ]
    return SafeString(render_to_string("admin/menu.html", {"groups": groups}))


def _address(entry: Entry) -> str:
    _, _, model, query = entry
    url = reverse(f"admin:{model.replace('.', '_')}_changelist" if model else "admin:index")
    return f"{url}?{query}" if query else url


def _may_see(request: HttpRequest, model: str) -> bool:
    app, name = model.split(".")
    if app in {"auth", "axes"}:
        return request.user.is_superuser
    return request.user.has_perm(f"{app}.view_{name}") or request.user.has_perm(
        f"{app}.change_{name}"
    )


def _is_here(request: HttpRequest, entry: Entry) -> bool:
    """A list and its work are two entries of the menu: only one of them lights up."""
    _, _, model, query = entry
    place = request.resolver_match.url_name if request.resolver_match else None
    if not model:
        return place == "index"
    if not (place or "").startswith(f"{model.replace('.', '_')}_"):
        return False
    work = request.GET.get("work", "")
    wanted = query.removeprefix("work=")
    return work == wanted if work in {"parked", "open", "overdue"} else not wanted
