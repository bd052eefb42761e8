"""The guard against billing an item twice for a day, asked once a statement."""

from typing import Any

import pgtrigger


class BilledOnce(pgtrigger.Trigger):
    """No two rows of coverage share an item, a kind, a part and a day.

    An exclusion constraint says the same in one line, and took a fifth of the time of a renewal.
    Whoever writes coverage locks its subscriptions here, so that of two at a time the second waits
    for the first, and its next statement sees what that one has covered. In a transaction that
    goes on seeing the database as it was, it would not, so those are refused. An item stays with
    its subscription, by a trigger of its own, and days lie in the row's span, by a constraint:
    therefore only rows of the subscription that end late enough are looked at.
    """

    when = pgtrigger.After
    level = pgtrigger.Statement
    referencing = pgtrigger.Referencing(new="added")
    declare = [("keys", "bigint[]"), ("named", "bigint")]

    def get_func(self, model: Any) -> str:
        # LIMIT makes each row ask the index by itself: a plan that is kept from a small batch
        # serves a large one as well. What is bought once (kind 3) covers all days that there are.
        refuse = f"USING ERRCODE = 'exclusion_violation', CONSTRAINT = '{self.name}'"
        return f"""
            IF current_setting('transaction_isolation') <> 'read committed' THEN
                RAISE EXCEPTION 'coverage is written in read committed transactions only'
                    {refuse};
            END IF;
            SELECT array_agg(DISTINCT subscription_id) INTO keys FROM added;
            PERFORM FROM subscriptions_subscription WHERE id = ANY (keys)
                ORDER BY id FOR NO KEY UPDATE;
            SELECT a.item_id INTO named FROM added a
                WHERE (SELECT i.subscription_id FROM subscriptions_subscriptionitem i
                       WHERE i.id = a.item_id LIMIT 1) <> a.subscription_id LIMIT 1;
            IF FOUND THEN
                RAISE EXCEPTION 'item %: it is of another subscription', named {refuse};
            END IF;
            SELECT a.item_id INTO named FROM added a, LATERAL (
                SELECT FROM invoicing_coverage c
                WHERE c.subscription_id = a.subscription_id
                  AND c.ends_on > CASE WHEN a.kind = 3 THEN '-infinity' ELSE a.starts_on END
                  AND c.item_id = a.item_id AND c.kind = a.kind AND c.part = a.part
                  AND c.line_id <> a.line_id AND c.days && a.days LIMIT 1
            ) twice LIMIT 1;
            IF FOUND THEN
                RAISE EXCEPTION 'item %: it is billed for these days already', named {refuse};
            END IF;
            RETURN NULL;
        """  # noqa: S608
