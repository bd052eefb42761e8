"""Keep the old rows of objects that an event tells of which is not yet written down.

What is kept, and how it is read, stands in ``billing/events/kept.py``.
"""

from django.db import migrations

OBJECTS = (
    "customers_customer",
    "customers_testclock",
    "dunning_dunningcase",
    "events_webhookendpoint",
    "invoicing_invoice",
    "invoicing_oneoffitem",
    "payments_order",
    "payments_payment",
    "subscriptions_subscription",
)
PARTS = {
    "payments_paymentallocation": ("payments_payment", "payment_id"),
    "subscriptions_subscriptionitem": ("subscriptions_subscription", "subscription_id"),
}

# The newest event of the object that waits and that another transaction has committed: what the
# own transaction has recorded tells how things stand when it is over. A row names its transaction by
# 32 bits, which are taken for the number nearest to the own one. Each condition is written so that
# the index by subject answers, whatever the planner believes about how many events wait.
WAITING = """
    LATERAL (
        SELECT max(event.id + 0) AS id FROM events_event event
        WHERE event.subject = {subject} AND event.is_fanned_out::int = 0
            AND coalesce(pg_xact_status(
                (own.id - 2147483648
                + (event.xmin::text::bigint - own.low + 6442450944) % 4294967296)::text::xid8
            ), 'committed') <> 'in progress'
    ) waiting
"""

FUNCTION = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH own AS MATERIALIZED (
        SELECT now.id, now.id & 4294967295 AS low
        FROM (SELECT pg_current_xact_id()::text::bigint AS id) now
    )
    INSERT INTO events_keptrow (relation, row_id, subject, event_id, old)
    SELECT TG_TABLE_NAME, changed.id, {subject}, waiting.id, {old}
    FROM own, {changed}, {waiting}
    WHERE waiting.id IS NOT NULL;
    RETURN NULL;
END;
$$
"""

OLD, NEW = "to_jsonb(changed)", "NULL::jsonb"


def function(name, subject, changed, old):
    return FUNCTION.format(
        name=name,
        subject=subject,
        changed=changed,
        old=old,
        waiting=WAITING.format(subject=subject),
    )


def trigger(table, operation, function):
    rows = "NEW TABLE" if operation == "INSERT" else "OLD TABLE"
    return (
        f"CREATE TRIGGER kept_as_it_was_{operation.lower()} AFTER {operation} ON {table}"
        f" REFERENCING {rows} AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
    )


def statements():
    yield function("kvitt_keep_objects", "changed.public_id", "changed_rows changed", OLD)
    for table in OBJECTS:
        yield trigger(table, "UPDATE", "kvitt_keep_objects")
    for table, (whole, key) in PARTS.items():
        changed = f"changed_rows changed JOIN {whole} whole ON whole.id = changed.{key}"
        for kind, old, operations in (
            ("old", OLD, ("UPDATE", "DELETE")),
            ("new", NEW, ("INSERT",)),
        ):
            name = f"kvitt_keep_{kind}_{table}"
            yield function(name, "whole.public_id", changed, old)
            for operation in operations:
                yield trigger(table, operation, name)


def undoing():
    parts = [(table, each) for table in PARTS for each in ("update", "delete", "insert")]
    for table, operation in [*((table, "update") for table in OBJECTS), *parts]:
        yield f"DROP TRIGGER kept_as_it_was_{operation} ON {table}"
    yield "DROP FUNCTION kvitt_keep_objects()"
    for table in PARTS:
        yield f"DROP FUNCTION kvitt_keep_old_{table}()"
        yield f"DROP FUNCTION kvitt_keep_new_{table}()"


class Migration(migrations.Migration):
    dependencies = [
        ("api", "0002_initial"),
        ("customers", "0001_initial"),
        ("dunning", "0002_initial"),
        ("events", "0001_initial"),
        ("invoicing", "0002_initial"),
        ("payments", "0002_initial"),
        ("subscriptions", "0001_initial"),
    ]
    operations = [migrations.RunSQL(list(statements()), list(undoing()))]
