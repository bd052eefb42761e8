"""The models that the admin shows, and what may be done with their rows."""

from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.urls import reverse

from billing.api.models import ApiKey
from billing.checkout.models import Order
from billing.events.models import Delivery, Event, Trouble
from billing.invoicing.models import (
    BalanceEntry,
    CreditNote,
    CustomerBalance,
    Invoice,
    InvoiceLine,
    OneOffItem,
)
from billing.invoicing.number_series import NumberSeries
from billing.jobs.models import Heartbeat, JobRun
from billing.ledger.models import Account, Transfer
from billing.mail.models import Message
from billing.outbound.models import Hold, KillSwitch
from billing.payments.gateway_events import GatewayEvent
from billing.payments.models import Payment, Refund
from billing.subscriptions.models import CouponRedemption, Subscription
from billing.tax.models import TaxRate, TaxRegistration, VatNumberCheck
from billing.usage.models import Meter, UsageRecord
from billing.webhooks.models import WebhookDelivery, WebhookEndpoint
from catalog.models import Coupon, Plan, Price, Product
from customers.models import Customer, Seller
from dunning.models import DunningCase, DunningPolicy

# What a superuser may do with a row that others hang on: a(dd), c(hange), d(elete). A model that
# is not here fails the first test, so that whoever registers it decides.
MAY: dict[type[Model], str] = {
    AccessAttempt: "",
    AccessLog: "",
    Account: "ac",
    ApiKey: "",
    BalanceEntry: "",
    Coupon: "ac",
    CouponRedemption: "",
    CreditNote: "",
    Customer: "ac",
    CustomerBalance: "",
    Delivery: "",
    DunningCase: "",
    DunningPolicy: "ac",
    Event: "",
    GatewayEvent: "",
    Group: "acd",
    Heartbeat: "",
    Hold: "",
    Invoice: "",
    InvoiceLine: "",
    JobRun: "",
    KillSwitch: "a",
    LogEntry: "",
    Message: "",
    Meter: "ac",
    NumberSeries: "ac",
    OneOffItem: "",
    Order: "",
    Payment: "",
    Plan: "ac",
    Price: "ac",
    Product: "ac",
    Refund: "",
    Seller: "ac",
    Subscription: "",
    TaxRate: "acd",
    TaxRegistration: "acd",
    Transfer: "",
    UsageRecord: "",
    VatNumberCheck: "",
    WebhookDelivery: "",
    WebhookEndpoint: "",
    Trouble: "",
    User: "acd",
}
ALL = sorted(MAY, key=lambda model: model._meta.label)
READ_ONLY = [model for model in ALL if "c" not in MAY[model]]
names = pytest.mark.parametrize("model", ALL, ids=lambda model: model._meta.label_lower)


def url(model: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)
