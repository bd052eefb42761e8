"""What the database itself refuses, whoever asks: each constraint and trigger, by its name.

Every guard has a case: a statement that breaks this one rule and no other. It is refused by name,
and passes as soon as the guard is gone, so that it was really this guard that refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pgtrigger
import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.models import Model

from billing.api.keys import make_key, revoke_key
from billing.api.models import Bucket, IdempotentRequest
from billing.base.promises import Promise
from billing.base.public_ids import PublicIdField
from billing.base.triggers import unconstrained_keys
from billing.checkout.models import Order
from billing.desk.models import DoneForm
from billing.events.models import Delivery, Event, Tally, Trouble
from billing.invoicing.coverage import Coverage
from billing.invoicing.models import (
    BalanceEntry,
    CustomerBalance,
    Invoice,
    InvoiceLine,
    InvoiceTax,
    OneOffItem,
)
from billing.invoicing.number_series import NumberGap, NumberSeries
from billing.jobs.models import JobRun
from billing.ledger.models import Account, Transfer
from billing.mail.models import Message
from billing.outbound import actions as outbound
from billing.outbound.models import DatabaseMark
from billing.payments.gateway_events import GatewayEvent
from billing.payments.models import (
    CheckoutSession,
    GatewayCustomer,
    Payment,
    PaymentAllocation,
    PaymentMethod,
    Refund,
)
from billing.seals.models import Seal
from billing.subscriptions.models import BillingCycle, CouponRedemption, Pause, Subscription
from billing.tax.models import TaxRate, TaxRegistration, VatNumberCheck
from billing.usage.models import Meter, UsageRecord
from billing.webhooks.models import EventBody, WebhookDelivery, WebhookEndpoint
from customers.models import Customer, TestClock
from dunning.models import DunningAction, DunningCase, DunningChoice, DunningPolicy, DunningStep
from portal.models import SentForm
from tests.factories import (
    DAY,
    CouponFactory,
    CustomerFactory,
    InvoiceFactory,
    PaymentFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
)

pytestmark = [pytest.mark.guard, pytest.mark.django_db]
World = dict[str, Any]
EARLIER = datetime(2026, 3, 1, tzinfo=UTC)
Statement = Callable[[World], str]


@dataclass(frozen=True)
class Case:
    """A guard and a statement that it refuses; ``beside`` are guards that refuse it as well."""

    guard: str
    forbidden: Statement
    beside: tuple[str, ...] = ()


def copied(row: str, **changes: str) -> Statement:
    """Insert a second row like one that is there, with other columns as SQL says."""

    def statement(world: World) -> str:
        columns = {}
        for field in world[row]._meta.concrete_fields:
            if field.primary_key and field.attname not in changes and not field.remote_field:
                continue
            columns[f'"{field.column}"'] = f'"{field.column}"'
            if isinstance(field, PublicIdField):
                columns[f'"{field.column}"'] = "'new_' || substr(md5(random()::text), 1, 20)"
        columns |= {f'"{column}"': value.format(**world) for column, value in changes.items()}
        return (
            f"INSERT INTO {world[row]._meta.db_table} ({', '.join(columns)})"  # noqa: S608
            f" SELECT {', '.join(columns.values())}"
            f" FROM {world[row]._meta.db_table} {_where(world[row])}"
        )

    return statement


def changed(row: str, **changes: str) -> Statement:
    """Update one row, to what SQL says."""

    def statement(world: World) -> str:
        settings = ", ".join(
            f'"{column}" = {value.format(**world)}' for column, value in changes.items()
        )
        table = world[row]._meta.db_table
        return f"UPDATE {table} SET {settings} {_where(world[row])}"  # noqa: S608

    return statement


def removed(row: str) -> Statement:
    return lambda world: f"DELETE FROM {world[row]._meta.db_table} {_where(world[row])}"  # noqa: S608


def truncated(table: str) -> Statement:
    return lambda world: f"TRUNCATE {table}"


def dangling(guard: str, row: str, model: type[Model], *beside: str, **changes: str) -> list[Case]:
    """A case for each key that no constraint checks: the row that it names is not there."""
    return [
        Case(guard, copied(row, **{**changes, key.column: "-1"}), beside)
        for key in unconstrained_keys(model)
    ]


def _where(row: Model) -> str:
    return f"WHERE {row._meta.pk.column} = {row.pk}"


NEW_CODE = "'another'"
CONSENTED = ("placed_order_has_its_consent",)
NEW_NUMBER = {"sequence": "999999", "number": "'999999'"}
CASES = [
    # Dunning
    Case("dunning_policy_code_is_unique", copied("policy")),
    Case("dunning_step_is_in_a_policy_once", copied("step")),
    Case("one_dunning_policy_is_chosen_for_a_plan", copied("choice")),
    Case("dunning_step_is_taken_once_in_a_case", copied("action")),
    Case("dunning_case_has_an_end_when_it_is_closed", changed("case", closed_on="'2026-03-02'")),
    Case("next_dunning_step_has_its_day", changed("case", next_step_on="NULL")),
    Case("late_card_comes_after_the_due_date", changed("case", charged_from="late_from - 1")),
    Case(
        "dunning_case_follows_its_lifecycle",
        changed("lone_case", status="'stopped'"),
    ),
    Case("dunning_choice_stays_with_its_seller", changed("choice", seller_id="{other_seller.pk}")),
    Case("shipped_dunning_policy_stays", removed("shipped")),
    Case("dunning_case_is_never_deleted", removed("lone_case")),
    Case("dunning_action_is_never_edited", changed("action", done_on="'2026-03-02'")),
    # Portal
    Case("form_is_sent_once", copied("sent_form")),
    # API
    Case("publishable_key_does_little", changed("page_key", scopes="'{{customers:read}}'")),
    Case("api_key_may_make_requests", changed("api_key", per_s="0")),
    Case("api_key_stays_what_it_is", changed("api_key", kind="'publishable'", scopes="'{{}}'")),
    Case("revoked_api_key_stays_so", changed("revoked_key", revoked_at="NULL")),
    Case("request_is_claimed_once", copied("request")),
    Case("address_has_one_bucket", copied("bucket")),
    Case("failures_of_ours_are_not_kept", changed("request", status="500")),
    # Mail
    Case("form_is_done_once", copied("done_form")),
    Case("message_is_told_once", copied("message")),
    Case("sent_message_has_its_moment", changed("message", sent_at="now()")),
    Case("message_follows_its_lifecycle", changed("message", state="'sent'", sent_at="now()")),
    Case("message_stays_with_its_recipient", changed("message", recipient="'b@example.com'")),
    Case("sent_message_is_never_edited", changed("sent_message", text="'another'")),
    Case("sent_message_is_never_deleted", removed("sent_message")),
    # Jobs
    Case("job_runs_once_at_a_time", copied("run")),
    # Events
    Case("event_is_delivered_once_to_a_subscriber", copied("delivery")),
    Case("event_is_never_edited", changed("event", data="'{{}}'")),
    Case("event_is_never_deleted", removed("lone_event")),
    Case(
        "event_sequence_is_unique_for_an_object",
        changed("lone_event", sequence="1", subject="'{event.subject}'"),
        beside=("event_is_never_edited",),
    ),
    Case(
        "event_position_is_unique_for_a_seller",
        changed("lone_event", position="1", seller="'{event.seller}'"),
        beside=("event_is_never_edited",),
    ),
    Case("event_sequence_is_given_once", changed("event", sequence="2")),
    Case("event_body_is_never_edited", changed("body", text="'other words'")),
    Case("webhook_endpoint_is_told_something", changed("endpoint", types="'{{}}'")),
    Case(
        "old_webhook_secret_has_an_end", changed("endpoint", old_secret_sealed="'sealed as well'")
    ),
    Case("webhook_endpoint_stays_with_its_seller", changed("endpoint", is_live="NOT is_live")),
    Case("event_is_sent_to_an_endpoint_once", copied("sent")),
    Case(
        "promise_is_kept",
        lambda world: (
            "INSERT INTO events_promise (target, ids, guard)"
            " VALUES ('invoicing_invoice', '{-1}', 'promise_is_kept')"
        ),
    ),
    # Sellers and customers
    Case("seller_mode_is_never_changed", changed("seller", is_live="NOT is_live")),
    Case("customer_external_id_is_unique", copied("customer")),
    Case(
        "customer_is_merged_into_one_that_stays",
        changed("lone_customer", merged_into_id="{merged.pk}"),
    ),
    Case(
        "customer_is_merged_into_one_that_stays",
        changed("lone_customer", merged_into_id="{live_customer.pk}"),
    ),
    Case(
        "customer_is_merged_into_one_that_stays",
        changed("lone_customer", merged_into_id="{lone_customer.pk}"),
        ("merged_customers_follow",),
    ),
    Case(
        "customer_is_merged_into_one_that_stays",
        copied("lone_customer", merged_into_id="{merged.pk}"),
    ),
    Case("customer_is_merged_for_good", changed("merged", merged_into_id="NULL")),
    Case("customer_is_merged_for_good", changed("merged", merged_into_id="{lone_customer.pk}")),
    Case("merged_customers_follow", changed("customer", merged_into_id="{lone_customer.pk}")),
    Case(
        "test_clock_is_of_a_test_seller",
        changed("test_clock", seller_id="{live_customer.seller_id}"),
    ),
    Case("test_clock_never_goes_back", changed("test_clock", at="at - interval '1 second'")),
    Case(
        "test_clock_advances_to_later",
        changed("test_clock", advancing_to="at - interval '1 second'"),
    ),
    # Catalog
    Case("product_name_is_unique", copied("product")),
    Case("plan_code_is_unique", copied("plan")),
    Case("plan_interval_is_positive", changed("plan", interval_count="0")),
    Case("active_price_code_is_unique", copied("price")),
    Case("price_quantity_not_negative", copied("price", is_active="false", quantity="-1")),
    Case("used_price_is_never_edited", changed("price", amount="amount + 1")),
    Case("used_price_is_never_deleted", removed("lone_price")),
    Case("coupon_code_is_unique", copied("coupon")),
    Case("coupon_is_percent_or_amount", copied("coupon", code=NEW_CODE, amount_off_minor="100")),
    Case(
        "coupon_is_percent_or_amount",
        copied("coupon", code=NEW_CODE, percent_off="NULL"),
    ),
    Case("coupon_percent_is_in_range", copied("coupon", code=NEW_CODE, percent_off="100.01")),
    Case(
        "repeating_coupon_has_periods",
        copied("coupon", code=NEW_CODE, duration="'repeating'"),
    ),
    # Books
    Case("account_is_unique_in_its_role", copied("debit"), beside=("one_account_of_a_role",)),
    Case("one_account_of_a_role", copied("debit", number="'9999'")),
    Case("only_vat_is_by_country_and_rate", changed("debit", country="'SE'")),
    Case("transfer_is_positive", copied("transfer", amount_minor="0")),
    Case(
        "transfer_is_between_two_accounts",
        copied("transfer", credit_account_id="debit_account_id"),
    ),
    Case("transfer_is_append_only", changed("transfer", amount_minor="amount_minor + 1")),
    Case("transfer_is_append_only", removed("transfer")),
    Case("transfers_are_never_truncated", truncated("ledger_transfer")),
    Case("account_is_never_deleted", removed("debit")),
    *dangling("transfer_refers_to_rows_that_exist", "transfer", Transfer),
    # Tax
    Case("tax_rate_is_in_range", copied("rate", category=NEW_CODE, percent="100.5")),
    Case(
        "tax_rate_holds_for_some_days",
        copied("rate", category=NEW_CODE, valid_from="'2026-01-01'", valid_until="'2026-01-01'"),
    ),
    Case("one_default_tax_rate_at_a_time", copied("rate")),
    Case("tax_registration_has_a_number", changed("registration", number="''")),
    Case(
        "tax_registration_holds_for_some_days",
        changed("registration", valid_until="valid_from"),
    ),
    Case("one_tax_registration_at_a_time", copied("registration")),
    Case("vat_number_check_is_append_only", changed("number_check", answer="'valid'")),
    Case("vat_number_check_is_append_only", removed("number_check")),
    # Subscriptions
    Case("subscription_external_id_is_unique", copied("subscription")),
    Case("subscription_ends_after_it_starts", changed("subscription", ends_on="starts_on - 1")),
    Case("subscription_trial_is_not_negative", changed("subscription", paid_from="starts_on - 1")),
    Case(
        "subscription_is_of_its_customers_seller",
        changed("subscription", seller_id="{other_seller.pk}"),
    ),
    Case(
        "subscription_is_of_no_merged_customer",
        copied("subscription", customer_id="{merged.pk}", external_id="NULL"),
    ),
    Case(
        "subscription_stays_with_its_customer",
        changed("subscription", customer_id="{lone_customer.pk}"),
    ),
    Case("subscription_currency_is_never_changed", changed("subscription", currency="'EUR'")),
    Case("billed_subscription_is_never_deleted", removed("bare_subscription")),
    Case("billed_item_is_never_deleted", removed("lone_item")),
    Case(
        "item_ends_after_it_starts",
        changed("item", ends_on="starts_on - 1"),
        beside=("item_has_one_version_at_a_time",),
    ),
    Case("item_quantity_is_positive", changed("item", quantity="0")),
    Case("item_has_one_version_at_a_time", copied("item")),
    Case(
        "item_stays_with_its_subscription",
        changed("lone_item", subscription_id="{bare_subscription.pk}"),
    ),
    Case("one_billing_cycle_starts_on_a_day", copied("cycle")),
    Case("billing_cycle_interval_is_positive", changed("cycle", interval_count="0")),
    Case("billing_cycle_tail_is_whole", changed("cycle", tail_days="1")),
    Case(
        "billing_cycle_tail_is_whole",
        changed("cycle", tail_starts_on="starts_on"),
    ),
    Case(
        "pause_ends_after_it_starts",
        changed("pause", ends_on="starts_on - 1"),
        beside=("pauses_do_not_overlap",),
    ),
    Case("pauses_do_not_overlap", copied("pause")),
    Case("coupon_is_had_once_at_a_time", copied("redemption")),
    Case("coupon_is_of_no_merged_customer", copied("redemption", customer_id="{merged.pk}")),
    Case("coupon_stays_with_its_customer", changed("redemption", customer_id="{lone_customer.pk}")),
    # Usage
    Case("meter_code_is_unique", copied("meter")),
    Case("usage_key_counts_once", copied("usage")),
    Case("usage_record_is_append_only", changed("usage", quantity="quantity + 1")),
    Case("usage_record_is_never_deleted", removed("usage")),
    Case("usage_is_withdrawn_once", changed("withdrawn_usage", withdrawn_by="'user:eve'")),
    Case("withdrawn_usage_says_by_whom", changed("usage", withdrawn_at="now()")),
    # Documents
    Case("one_number_series_of_a_kind", copied("series")),
    Case("letterhead_is_kept_once", copied("letterhead")),
    Case("letterhead_is_never_edited", changed("letterhead", content="'{{}}'")),
    Case("document_number_is_unique", copied("invoice")),
    Case("issued_document_has_a_number", copied("invoice", sequence="NULL", number="NULL")),
    Case("document_total_adds_up", copied("invoice", **NEW_NUMBER, tax_minor="tax_minor + 1")),
    Case(
        "document_amount_due_adds_up",
        copied("invoice", **NEW_NUMBER, amount_due_minor="amount_due_minor + 1"),
    ),
    Case(
        "document_not_negative",
        copied(
            "invoice",
            **NEW_NUMBER,
            net_minor="-1",
            tax_minor="0",
            total_minor="-1",
            amount_due_minor="-1",
        ),
        beside=("document_is_not_settled_twice",),
    ),
    Case("document_is_not_settled_twice", changed("invoice", paid_minor="amount_due_minor + 1")),
    Case("balance_pays_part_of_what_is_credited", changed("invoice", from_balance_minor="1")),
    Case("balance_pays_part_of_what_is_credited", changed("invoice", rounded_off_minor="1")),
    Case("issued_document_is_never_edited", changed("invoice", currency="'EUR'")),
    Case("issued_document_is_never_edited", changed("ordered_invoice", currency="'EUR'")),
    Case("numbered_document_is_never_edited", changed("invoice", issued_on="issued_on + 1")),
    Case("numbered_document_is_never_edited", changed("invoice", due_on="due_on + 1")),
    Case("numbered_document_is_never_edited", changed("invoice", bill_to="'{{}}'")),
    Case("numbered_document_is_never_edited", changed("invoice", reference="'7'")),
    Case("document_is_never_deleted", removed("bare_invoice")),
    Case("document_status_follows_its_lifecycle", changed("invoice", status="'issued'")),
    Case("issued_line_is_never_edited", changed("line", amount_minor="amount_minor + 1")),
    Case("issued_line_is_never_edited", removed("bare_line")),
    Case("issued_tax_is_never_edited", changed("vat", tax_minor="tax_minor + 1")),
    Case("line_is_not_credited_beyond_its_amount", changed("coverage", credited_minor="10001")),
    Case("days_stand_again_for_an_item", changed("coverage", again_days="days")),
    Case("coverage_lies_in_its_span", changed("coverage", ends_on="ends_on - 1")),
    Case("item_is_not_billed_twice_for_a_day", copied("coverage", line_id="{bare_line.pk}")),
    Case(
        "item_is_not_billed_twice_for_a_day",
        copied("coverage", line_id="{bare_line.pk}", item_id="{lone_item.pk}"),
    ),
    Case(
        "item_does_not_become_billed_twice",
        changed("next_coverage", starts_on="starts_on - 1", days="days + '{{[2026-03-31,)}}'"),
        beside=("coverage_lies_in_its_span",),
    ),
    Case("coverage_stays_with_its_line", changed("coverage", line_id="{bare_line.pk}")),
    Case(
        "coverage_stays_with_its_line",
        changed("coverage", item_id="{lone_item.pk}"),
        beside=("item_does_not_become_billed_twice",),
    ),
    Case(
        "invoice_is_of_no_merged_customer",
        copied("invoice", **NEW_NUMBER, customer_id="{merged.pk}"),
    ),
    *dangling("document_refers_to_rows_that_exist", "invoice", Invoice, **NEW_NUMBER),
    *dangling("line_refers_to_rows_that_exist", "line", InvoiceLine),
    *dangling("tax_refers_to_rows_that_exist", "vat", InvoiceTax),
    *dangling(
        "coverage_refers_to_rows_that_exist",
        "coverage",
        Coverage,
        "item_is_not_billed_twice_for_a_day",
        line_id="{bare_line.pk}",
    ),
    Case("one_off_item_is_not_zero", copied("one_off", amount_minor="0")),
    Case("one_off_item_is_of_no_merged_customer", copied("one_off", customer_id="{merged.pk}")),
    Case(
        "one_off_item_stays_with_its_customer",
        changed("one_off", customer_id="{lone_customer.pk}"),
    ),
    Case(
        "billed_one_off_item_is_never_edited",
        changed("billed_one_off", amount_minor="amount_minor + 1"),
    ),
    Case("billed_one_off_item_is_never_deleted", removed("billed_one_off")),
    Case("customer_has_one_balance_in_a_currency", copied("balance")),
    Case(
        "customer_balance_is_not_negative",
        changed("balance", balance_minor="-1"),
        beside=("balance_has_what_is_kept_for_orders",),
    ),
    Case(
        "balance_has_what_is_kept_for_orders",
        changed("kept_balance", balance_minor="balance_minor - 1"),
    ),
    Case("what_is_only_ordered_is_not_booked", copied("ordered_invoice", id="999999999")),
    Case("what_was_ordered_is_booked_with_its_number", changed("ordered_invoice", **NEW_NUMBER)),
    Case(
        "what_is_only_ordered_moves_no_balance", copied("entry", invoice_id="{ordered_invoice.pk}")
    ),
    Case("balance_entry_is_of_no_merged_customer", copied("entry", customer_id="{merged.pk}")),
    Case("balance_entry_is_append_only", changed("entry", amount_minor="amount_minor + 1")),
    Case("balance_entry_is_append_only", removed("entry")),
    Case(
        "live_document_is_not_dated_ahead",
        copied(
            "invoice",
            **NEW_NUMBER,
            seller_id="{live_customer.seller_id}",
            issued_on="current_date + 2",
            due_on="current_date + 9",
        ),
    ),
    Case(
        "live_order_is_not_dated_ahead",
        changed("live_ordered", issued_on="current_date + 2", due_on="current_date + 9"),
    ),
    Case("no_number_is_given_while_held", changed("series", next_number="next_number + 1")),
    Case("number_gap_is_explained", copied("gap", first="2")),
    Case("number_gap_is_explained", copied("gap", first="0", reason="''")),
    Case("number_gap_is_recorded_once", copied("gap")),
    Case("number_gap_is_never_edited", changed("gap", last="2")),
    Case("number_gap_is_never_edited", removed("gap")),
    # Payments
    Case(
        "live_payment_is_not_dated_ahead",
        copied(
            "payment",
            gateway_key="'b'",
            reference="'b'",
            seller_id="{live_customer.seller_id}",
            received_on="current_date + 2",
        ),
    ),
    Case("payment_is_positive", copied("planned", amount_minor="0")),
    Case(
        "payment_is_not_refunded_beyond_its_amount",
        changed("payment", refunded_minor="amount_minor + 1"),
    ),
    Case(
        "succeeded_payment_has_its_day",
        copied("payment", received_on="NULL", gateway_key="'b'", reference="'b'"),
    ),
    Case("payment_is_sent_to_a_gateway_once", copied("payment", reference="'b'")),
    Case("payment_is_recorded_once", copied("payment", gateway_key="'b'")),
    Case(
        "payment_is_of_its_source",
        copied("payment", gateway_id="'ch_b'", gateway_key="'b'", reference="'b'"),
    ),
    Case("payment_is_of_its_source", changed("planned", state="'created'")),
    Case("returned_payment_has_its_day", changed("foreign", state="'returned'")),
    Case(
        "returned_payment_has_its_day",
        changed("foreign", state="'returned'", returned_on="received_on - 1"),
    ),
    Case(
        "live_return_is_not_dated_ahead",
        copied("returned", seller_id="{live_customer.seller_id}", returned_on="current_date + 2"),
    ),
    Case(
        "returned_payment_settles_nothing",
        changed("payment", state="'returned'", returned_on="received_on"),
    ),
    Case("returned_payment_is_never_edited", changed("returned", returned_on="returned_on + 1")),
    Case("payment_amount_is_never_edited", changed("payment", amount_minor="amount_minor + 1")),
    Case("payment_amount_is_never_edited", changed("payment", currency="'EUR'")),
    Case("payment_is_never_deleted", removed("foreign")),
    Case("received_payment_is_never_edited", changed("payment", received_on="received_on - 1")),
    Case("received_payment_is_never_edited", changed("charged", gateway_id="'ch_x'")),
    Case("received_payment_is_never_edited", changed("payment", reference="'b'")),
    Case(
        "received_payment_is_never_edited",
        changed("payment", source="'gateway'"),
        ("payment_is_of_its_source",),
    ),
    *dangling(
        "payment_refers_to_rows_that_exist", "payment", Payment, gateway_key="'b'", reference="'b'"
    ),
    *dangling(
        "allocation_refers_to_rows_that_exist",
        "allocation",
        PaymentAllocation,
        state="'planned'",
    ),
    Case("allocation_stays_with_its_payment", changed("plan_to_pay", payment_id="{foreign.pk}")),
    Case(
        "payment_state_follows_its_lifecycle",
        changed("planned", state="'succeeded'", received_on="'2026-03-01'", gateway="'sandbox'"),
    ),
    Case("payment_allocation_is_positive", copied("allocation", amount_minor="0")),
    Case(
        "allocation_is_not_refunded_beyond_its_amount",
        changed("allocation", refunded_minor="amount_minor + 1"),
    ),
    Case("one_payment_in_flight_for_an_invoice", changed("plan_to_pay", state="'in_flight'")),
    Case("payment_settles_no_more_than_it_has", copied("allocation")),
    Case(  # The payment is in another currency than the invoice.
        "payment_settles_no_more_than_it_has",
        copied("allocation", payment_id="{foreign.pk}", amount_minor="1"),
    ),
    Case("refund_is_positive", copied("refund", amount_minor="0")),
    Case("refund_is_never_edited", changed("refund", amount_minor="amount_minor + 1")),
    Case("refund_is_never_deleted", removed("refund")),
    Case("refund_state_follows_its_lifecycle", changed("refund", state="'unknown'")),
    Case("refund_by_hand_was_paid_by_somebody", changed("refund", state="'succeeded'")),
    # Gateways
    Case("charge_is_of_one_payment", copied("charged")),
    Case("customer_is_at_a_gateway_once", copied("at_gateway")),
    Case(
        "customer_at_sandbox_is_of_a_test_seller",
        changed("at_gateway", customer_id="{live_customer.pk}"),
    ),
    Case("payment_method_is_kept_once", copied("method", is_default="false")),
    Case("one_default_payment_method_for_a_customer", copied("method", gateway_id="'b'")),
    Case("retired_payment_method_is_no_default", changed("method", retired_at="now()")),
    Case("payment_method_is_never_another", changed("method", gateway_id="'b'")),
    Case(
        "payment_method_stays_with_its_customer",
        changed("method", customer_id="{lone_customer.pk}"),
    ),
    Case(
        "payment_method_is_of_no_merged_customer",
        copied("method", gateway_id="'b'", customer_id="{merged.pk}"),
    ),
    Case("payment_method_is_never_deleted", removed("method")),
    Case(
        "sandbox_method_is_of_a_test_seller",
        copied("method", gateway_id="'b'", customer_id="{live_customer.pk}"),
    ),
    Case("checkout_session_is_kept_once", copied("session")),
    Case(
        "page_to_leave_a_card_is_of_no_merged_customer",
        copied("session", gateway_id="'b'", customer_id="{merged.pk}"),
    ),
    Case("only_a_session_to_pay_has_a_payment", changed("session", kind="'payment'")),
    Case("session_status_follows_its_lifecycle", changed("session", status="'creating'")),
    Case(
        "sandbox_session_is_of_a_test_seller",
        changed("session", customer_id="{live_customer.pk}"),
    ),
    Case("order_status_follows_its_lifecycle", changed("placed", status="'open'")),
    Case("order_is_of_one_seller", changed("order", customer_id="{live_customer.pk}")),
    Case("order_is_of_no_merged_customer", changed("order", customer_id="{merged.pk}")),
    Case(
        "order_is_of_one_seller",
        changed("order", seller_id="{live_customer.seller.pk}"),
        beside=("offer_is_never_edited",),
    ),
    Case("offer_is_never_edited", changed("order", success_url="'https://evil.example'")),
    Case("placed_order_is_never_edited", changed("placed", consent="'{{}}'"), CONSENTED),
    Case("placed_order_is_never_edited", changed("placed", details='\'{{"name": "x"}}\'')),
    Case("order_is_never_deleted", removed("order")),
    Case("placed_order_has_what_was_ordered", changed("order", status="'placed'")),
    Case(
        "placed_order_has_its_consent",
        changed("order", placed_at="now()"),
    ),
    Case("closed_order_has_its_instant", changed("order", status="'expired'")),
    Case("gateway_event_is_kept_once", copied("heard")),
    Case("gateway_event_is_never_edited", changed("heard", type="'x'")),
    Case("gateway_event_is_never_deleted", removed("heard")),
    Case("one_trouble_of_a_thing", copied("trouble")),
    Case("hold_is_released_by_somebody", changed("hold", released_at="now()")),
    Case("hold_stands_once_for_a_reason", copied("hold")),
    Case("hold_keeps_its_reason", changed("hold", code="'x'")),
    Case("database_has_one_mark", copied("mark", id="2")),
    Case("released_hold_is_never_edited", changed("released_hold", released_by="'x'")),
    Case("hold_is_never_deleted", removed("hold")),
    Case("seal_position_is_unique", copied("seal")),
    Case("seal_is_append_only", changed("seal", digest="'x'")),
    Case("seal_is_append_only", removed("seal")),
    Case("tally_is_kept_once", copied("tally")),
    Case(
        "kill_switch_has_a_reason",
        copied("kill_switch_off", reason="''"),
    ),
    Case("kill_switch_is_turned_off_by_somebody", changed("kill_switch", off_at="now()")),
    Case("kill_switch_is_on_once", copied("kill_switch")),
    Case("kill_switch_keeps_its_reason", changed("kill_switch", reason="'x'")),
    Case("kill_switch_that_is_off_stays_off", changed("kill_switch_off", off_by="'x'")),
    Case("kill_switch_is_never_deleted", removed("kill_switch")),
]

# These triggers write the history of what people edit; they refuse nothing.
HISTORY = {"insert_insert", "update_update", "delete_delete"}
# What refuses to change it has one name in all its tables: tests/verification/test_guards.py.
HISTORY |= {"append_only"}


def our_guards() -> dict[str, tuple[Any, Any]]:
    """Every named constraint and trigger of our models: {name: (model, constraint or trigger)}."""
    found: dict[str, tuple[Any, Any]] = {}
    model: Any
    for model in apps.get_models():
        is_ours = model.__module__.split(".")[0] in {
            "billing",
            "customers",
            "catalog",
            "dunning",
            "portal",
        }
        if is_ours and not model._meta.proxy:
            found |= {guard.name: (model, guard) for guard in model._meta.constraints}
    for model, trigger in pgtrigger.registered():
        if trigger.name not in HISTORY:
            found[str(trigger.name)] = (model, trigger)
    return found


@pytest.fixture
def world() -> World:
    """One row of everything, consistent, with every deferred check passed."""
    seller = SellerFactory()
    made: World = {"seller": seller, "other_seller": SellerFactory()}
    made["trouble"] = Trouble.objects.create(
        step="bill",
        subject="one",
        first_seen_at=EARLIER,
        last_seen_at=EARLIER,
        next_attempt_at=EARLIER,
    )
    made["released_hold"] = outbound.release(outbound.hold("test", "A test."), actor="test")
    made["hold"] = outbound.hold("test", "A test.")
    made["mark"] = DatabaseMark.objects.create(
        pk=1, installation="a", place="here", seen_at=EARLIER, seen_by="test"
    )
    made["seal"] = Seal.objects.create(
        chain="test",
        position=1,
        after=0,
        until=1,
        rows=1,
        columns={},
        digest="",
        mark="",
        sealed_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    made["tally"] = Tally.objects.create(kind="test", outcome="done", count=1)
    made["kill_switch_off"] = outbound.resume_charging(
        outbound.stop_charging(reason="A test.", actor="test"), actor="test"
    )
    made["kill_switch"] = outbound.stop_charging(reason="A test.", actor="test")
    customer = made["customer"] = CustomerFactory(seller=seller, external_id="c-1")
    made["lone_customer"] = CustomerFactory(seller=seller)
    made["merged"] = CustomerFactory(seller=seller)
    Customer.objects.filter(pk=made["merged"].pk).update(merged_into=customer)
    made["sent_form"] = SentForm.objects.create(
        customer=customer, key="0" * 24, at=datetime(2026, 3, 1, tzinfo=UTC)
    )
    made |= _agreement(seller, customer)
    made |= _documents(seller, customer, made)
    made |= _money(seller, customer, made)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return made


def _agreement(seller: Any, customer: Any) -> World:
    subscription = SubscriptionFactory(customer=customer, external_id="s-1")
    coupon, meter = CouponFactory(seller=seller), Meter.objects.create(seller=seller, code="calls")
    return {
        "subscription": subscription,
        "plan": subscription.plan,
        "product": subscription.plan.product,
        "item": subscription.items.get(),
        "price": subscription.items.get().price,
        "lone_price": PriceFactory(plan=subscription.plan, code="lone", is_used=True),
        "cycle": BillingCycle.objects.get(subscription=subscription),
        "pause": Pause.objects.create(
            subscription=subscription, starts_on=DAY, ends_on=date(2026, 3, 9)
        ),
        "coupon": coupon,
        "redemption": CouponRedemption.objects.create(
            coupon=coupon, customer=customer, starts_on=DAY
        ),
        "meter": meter,
        "usage": UsageRecord.objects.create(
            subscription=subscription,
            meter=meter,
            key="u-1",
            at=datetime(2026, 3, 2, tzinfo=UTC),
            on=date(2026, 3, 2),
            quantity=Decimal(1),
            value=Decimal(1),
        ),
        "withdrawn_usage": UsageRecord.objects.create(
            subscription=subscription,
            meter=meter,
            at=datetime(2026, 3, 2, tzinfo=UTC),
            on=date(2026, 3, 2),
            quantity=Decimal(1),
            withdrawn_at=datetime(2026, 3, 3, tzinfo=UTC),
            withdrawn_by="user:anna",
        ),
        "rate": TaxRate.objects.create(country="XX", category="standard", percent=25),
        "registration": TaxRegistration.objects.create(
            seller=customer.seller, country="SE", number="SE556677889901", valid_from=DAY
        ),
        "number_check": VatNumberCheck.objects.create(
            seller=customer.seller,
            number="DE136695976",
            asked_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
            answer="unknown",
        ),
        "lone_item": _billed(customer).items.get(),
        "bare_subscription": _without_items(_billed(customer)),
    }


def _billed(customer: Any) -> Subscription:
    subscription = SubscriptionFactory(customer=customer)
    Subscription.objects.filter(pk=subscription.pk).update(billed_through=DAY)
    return subscription


def _without_items(subscription: Subscription) -> Subscription:
    with pgtrigger.ignore("subscriptions.SubscriptionItem:billed_item_is_never_deleted"):
        subscription.items.all().delete()
    subscription.cycles.all().delete()
    return subscription


def _documents(seller: Any, customer: Any, made: World) -> World:
    invoice = InvoiceFactory(customer=customer, lines=({}, {}))
    bare_invoice = InvoiceFactory(customer=customer, lines=(), status="paid")
    line, bare_line = invoice.lines.order_by("position")
    next_invoice = InvoiceFactory(customer=customer, lines=({},))
    ordering = CustomerFactory(seller=seller)
    ordered_invoice = InvoiceFactory(
        customer=ordering, sequence=None, number=None, reference="", credit_applied_minor=2000
    )
    what = {
        "subscription": made["subscription"],
        "item": made["item"],
        "kind": Coverage.Kind.RECURRING,
        "amount_minor": 10_000,
        "billed_minor": 10_000,
    }
    coverage = Coverage(
        line=line,
        starts_on=DAY,
        ends_on=date(2026, 4, 1),
        days="{[2026-03-01,2026-04-01)}",
        **what,
    )
    next_coverage = Coverage(
        line=next_invoice.lines.get(),
        starts_on=date(2026, 4, 1),
        ends_on=date(2026, 5, 1),
        days="{[2026-04-01,2026-05-01)}",
        **what,
    )
    coverage.save()
    next_coverage.save()
    one_off = {
        "seller": seller,
        "customer": customer,
        "currency": "SEK",
        "amount_minor": 5000,
        "due_on": DAY,
    }
    return {
        "gap": NumberGap.objects.create(
            seller=seller, kind="invoice", first=1, last=1, reason="Lost.", recorded_by="test"
        ),
        "invoice": invoice,
        "bare_invoice": bare_invoice,
        "ordered_invoice": ordered_invoice,
        "live_ordered": InvoiceFactory(
            customer=CustomerFactory(seller=SellerFactory(live=True)),
            sequence=None,
            number=None,
            reference="",
        ),
        "letterhead": invoice.letterhead,
        "line": line,
        "bare_line": bare_line,
        "vat": invoice.taxes.get(),
        "coverage": coverage,
        "next_coverage": next_coverage,
        "series": NumberSeries.objects.get_or_create(seller=seller, kind="invoice")[0],
        "one_off": OneOffItem.objects.create(**one_off, description="Fee"),
        "billed_one_off": OneOffItem.objects.create(**one_off, description="Billed", line=line),
        "balance": CustomerBalance.objects.create(customer=customer, currency="SEK"),
        "kept_balance": CustomerBalance.objects.create(
            customer=ordering, currency="SEK", balance_minor=2000
        ),
        "entry": BalanceEntry.objects.create(
            customer=customer, currency="SEK", amount_minor=1, effective_on=DAY
        ),
    }


def _money(seller: Any, customer: Any, made: World) -> World:
    invoice = made["invoice"]
    payment = PaymentFactory(customer=customer, invoice=invoice, gateway_key="a", reference="a")
    planned = PaymentFactory(customer=customer, planned=True, invoice=invoice)
    in_flight = PaymentFactory(customer=customer, state="submitted", received_on=None)
    PaymentAllocation.objects.create(
        payment=in_flight, invoice=invoice, amount_minor=12_500, state="in_flight"
    )
    debit = Account.objects.create(seller=seller, role="receivable", number="1", name="Debit")
    credit = Account.objects.create(seller=seller, role="revenue", number="2", name="Credit")
    booked = {
        "seller": seller,
        "debit_account": debit,
        "credit_account": credit,
        "currency": "SEK",
        "amount_minor": 1,
        "effective_on": DAY,
        "document": "invoice",
    }
    Transfer.objects.create(**booked, document_id=999_999_999)
    event = {"seller": "sel_1", "type": "invoice.finalized", "occurred_on": DAY, "actor": "test"}
    told = Event.objects.create(
        **event, subject="inv_1", data={"number": "1"}, sequence=1, position=1
    )
    at = datetime(2026, 3, 2, tzinfo=UTC)
    return {
        "payment": payment,
        "planned": planned,
        "foreign": PaymentFactory(customer=customer, currency="EUR"),
        "returned": PaymentFactory(
            customer=customer, currency="EUR", state="returned", returned_on=DAY
        ),
        "allocation": payment.allocations.get(),
        "plan_to_pay": planned.allocations.get(),
        "refund": Refund.objects.create(
            payment=payment, invoice=invoice, amount_minor=1, refunded_on=DAY
        ),
        "debit": debit,
        "transfer": Transfer.objects.create(**booked, document_id=invoice.pk),
        "event": told,
        "lone_event": Event.objects.create(**event, subject="inv_2"),
        "delivery": Delivery.objects.create(event=told, subscriber="mail"),
        "run": JobRun.objects.create(name="sweep", started_at=at, beat_at=at),
        "charged": PaymentFactory(
            customer=customer, currency="EUR", gateway="sandbox", gateway_id="ch_1"
        ),
        **_webhooks(told, seller, at),
        **_at_gateway(customer, at),
        **_keys(seller, at),
        **_orders(seller, customer, made, at),
        **_dunning(seller, customer, invoice),
        **_mail(seller, customer),
        "done_form": DoneForm.objects.create(model="a.b", object_id="1", key="k"),
    }


def _mail(seller: Any, customer: Any) -> World:
    of_customer = {"seller": seller, "customer": customer, "kind": "receipt"}
    return {
        "message": Message.objects.create(**of_customer, object="pay_1", recipient="a@example.com"),
        "sent_message": Message.objects.create(
            **of_customer, object="pay_2", state="sent", sent_at=datetime(2026, 3, 1, tzinfo=UTC)
        ),
    }


def _webhooks(told: Event, seller: Any, at: datetime) -> World:
    Event.objects.filter(pk=told.pk).update(sequence=1)
    endpoint = WebhookEndpoint.objects.create(
        seller=seller.public_id, is_live=False, url="https://a.example", types=["*"]
    )
    return {
        "endpoint": endpoint,
        "body": EventBody.objects.create(event=told, text="{}"),
        "sent": WebhookDelivery.objects.create(
            event=told, endpoint=endpoint, subject="inv_1", sequence=1, next_attempt_at=at
        ),
        "test_clock": TestClock.objects.create(seller=SellerFactory(), at=at),
    }


def _dunning(seller: Any, customer: Any, invoice: Any) -> World:
    policy = DunningPolicy.objects.create(seller=seller, code="own", name="Own")
    step = DunningStep.objects.create(policy=policy, since="due", days=5, kind="remind")
    case = DunningCase.objects.create(
        seller=seller,
        customer=customer,
        invoice=invoice,
        policy=policy,
        since="due",
        late_from=DAY,
        next_step=step,
        next_step_on=DAY,
    )
    return {
        "policy": policy,
        "shipped": DunningPolicy.objects.create(code="shipped", name="Shipped"),
        "step": step,
        "choice": DunningChoice.objects.create(seller=seller, policy=policy),
        "case": case,
        "lone_case": DunningCase.objects.create(
            seller=seller,
            customer=customer,
            invoice=InvoiceFactory(customer=customer),
            policy=policy,
            since="due",
            late_from=DAY,
            status="recovered",
            closed_on=DAY,
        ),
        "action": DunningAction.objects.create(case=case, step=step, kind="remind", done_on=DAY),
    }


def _at_gateway(customer: Any, at: datetime) -> World:
    theirs = {"customer": customer, "gateway": "sandbox"}
    return {
        "live_customer": CustomerFactory(seller=SellerFactory(live=True)),
        "at_gateway": GatewayCustomer.objects.create(**theirs, gateway_id="cu_1"),
        "method": PaymentMethod.objects.create(**theirs, gateway_id="pm_1", is_default=True),
        "session": CheckoutSession.objects.create(
            **theirs, kind="setup", gateway_id="cs_1", status="open", return_url="https://a.example"
        ),
        "heard": GatewayEvent.objects.create(
            gateway="sandbox", event_id="evt_1", type="t", received_at=at, next_attempt_at=at
        ),
    }


def _orders(seller: Any, customer: Any, made: World, at: datetime) -> World:
    offer = {"seller": seller, "plan": made["plan"], "currency": "SEK", "expires_at": at}
    return {
        "order": Order.objects.create(**offer, token_hash="a"),
        "placed": Order.objects.create(
            **offer,
            token_hash="b",
            status="placed",
            customer=customer,
            subscription=made["subscription"],
            consent={"text": "Yes"},
            placed_at=at,
        ),
    }


def _keys(seller: Any, at: datetime) -> World:
    key, _ = make_key(seller, name="Shop", actor="user:anna")
    revoked, _ = make_key(seller, name="Old", actor="user:anna")
    return {
        "api_key": key,
        "bucket": Bucket.objects.create(what="key", address="192.0.2.1", tokens=1, filled_at=at),
        "page_key": make_key(seller, name="Page", actor="user:anna", kind="publishable")[0],
        "revoked_key": revoke_key(revoked, now=at, actor="user:anna"),
        "request": IdempotentRequest.objects.create(
            owner=key, key="a", fingerprint="a", claim="a", claimed_at=at, status=200
        ),
    }


def run(statement: str) -> None:
    """Run a statement and every check that would wait for the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute(statement)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def put_aside(name: str) -> None:
    """Take a guard away, for the rest of the transaction."""
    model, guard = our_guards()[name]
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if isinstance(guard, pgtrigger.Trigger):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {guard.get_pgid(model)}")
            return
        cursor.execute("SELECT count(*) FROM pg_constraint WHERE conname = %s", [name])
        is_constraint = cursor.fetchone()[0]
        # A unique constraint with a condition is an index and nothing more.
        cursor.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {name}" if is_constraint else f"DROP INDEX {name}"
        )


def refused_by(error: DatabaseError) -> str:
    """What refused: the constraint's name, or for a trigger where in PL/pgSQL it was raised."""
    diag = error.__cause__.diag  # type: ignore[union-attr]
    return diag.constraint_name or diag.context or ""


@pytest.mark.parametrize("case", CASES, ids=[case.guard for case in CASES])
def test_the_database_refuses_by_name(world: World, case: Case) -> None:
    for other in case.beside:
        put_aside(other)
    with pytest.raises(DatabaseError) as refused, transaction.atomic():
        run(case.forbidden(world))
    assert case.guard in refused_by(refused.value)


@pytest.mark.parametrize("case", CASES, ids=[case.guard for case in CASES])
def test_without_the_guard_the_same_statement_passes(world: World, case: Case) -> None:
    for other in (case.guard, *case.beside):
        put_aside(other)
    run(case.forbidden(world))


def test_every_guard_has_a_case() -> None:
    assert {case.guard for case in CASES} == set(our_guards())


def test_every_guard_stands_in_the_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint UNION SELECT relname FROM pg_class"
            " WHERE relkind = 'i' UNION SELECT tgname FROM pg_trigger WHERE tgenabled = 'O'"
        )
        standing = {row[0] for row in cursor.fetchall()}
    for name, (model, guard) in our_guards().items():
        is_trigger = isinstance(guard, pgtrigger.Trigger)
        assert (guard.get_pgid(model) if is_trigger else name) in standing


@pytest.mark.parametrize("row", ["draft", "unused_price", "one_off"])
def test_what_is_not_yet_issued_used_or_billed_can_be_edited(world: World, row: str) -> None:
    world["draft"] = InvoiceFactory(customer=world["customer"], draft=True)
    world["unused_price"] = PriceFactory(plan=world["plan"], code="unused", is_used=False)
    column = {"draft": "net_minor", "unused_price": "amount", "one_off": "amount_minor"}[row]
    run(changed(row, **{column: f"{column} + 0", "currency": "'EUR'"})(world))


def test_no_promise_outlives_its_transaction(world: World) -> None:
    assert not Promise.objects.exists()


def test_an_issued_document_is_safe_from_the_orm_too(world: World) -> None:
    invoices = Invoice.objects.filter(pk=world["invoice"].pk)
    with pytest.raises(DatabaseError), transaction.atomic():
        invoices.update(total_minor=0)
    with pytest.raises(DatabaseError), transaction.atomic():
        InvoiceLine.objects.filter(invoice=world["invoice"]).update(description="Something else")
    with pytest.raises(DatabaseError), transaction.atomic():
        invoices._raw_delete(using="default")


def test_a_payment_that_moved_on_does_not_move_back(world: World) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        Payment.objects.filter(pk=world["payment"].pk).update(state="created")
