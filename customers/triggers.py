"""Database triggers about customers who were merged into another, which several apps use."""

from typing import Any

import pgtrigger


class OfNoMergedCustomer(pgtrigger.Trigger):
    """No row is added for a customer who was merged into another, nor moved to one.

    For a model with a ``customer``. Whoever merges holds the customer's row, so a row that is added
    at the same time waits here, and then sees what came of it.
    """

    when = pgtrigger.Before
    operation = pgtrigger.Insert | pgtrigger.UpdateOf("customer_id")
    declare = [("other", "bigint")]

    def get_func(self, model: Any) -> str:
        return f"""
            IF TG_OP = 'UPDATE' AND NEW.customer_id IS NOT DISTINCT FROM OLD.customer_id THEN
                RETURN NEW;
            END IF;
            SELECT merged_into_id INTO other FROM customers_customer
                WHERE id = NEW.customer_id FOR KEY SHARE;
            IF other IS NOT NULL THEN
                RAISE EXCEPTION 'customer % was merged into customer %', NEW.customer_id, other
                    USING ERRCODE = 'check_violation', CONSTRAINT = '{self.name}';
            END IF;
            RETURN NEW;
        """  # noqa: S608


class StaysWithItsPerson(pgtrigger.Trigger):
    """A row goes to no other customer than the one into whom its own was merged."""

    when = pgtrigger.Before
    operation = pgtrigger.UpdateOf("customer_id")
    condition = pgtrigger.Q(old__customer__df=pgtrigger.F("new__customer"))

    def get_func(self, model: Any) -> str:
        return f"""
            IF NOT EXISTS (SELECT FROM customers_customer
                           WHERE id = OLD.customer_id AND merged_into_id = NEW.customer_id) THEN
                RAISE EXCEPTION 'customer % was not merged into customer %',
                    OLD.customer_id, NEW.customer_id
                    USING ERRCODE = 'check_violation', CONSTRAINT = '{self.name}';
            END IF;
            RETURN NEW;
        """  # noqa: S608


# Read under a lock, so that of two merges that cross the second sees what the first has done.
_ONE_THAT_STAYS = """
    IF TG_OP = 'UPDATE' AND NEW.merged_into_id IS NOT DISTINCT FROM OLD.merged_into_id THEN
        RETURN NEW;
    END IF;
    PERFORM FROM customers_customer
        WHERE id = NEW.merged_into_id AND id <> NEW.id AND seller_id = NEW.seller_id
          AND merged_into_id IS NULL
        FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'customer % cannot be merged into %: it is not another customer of the'
            ' seller who stays', NEW.id, NEW.merged_into_id
            USING ERRCODE = 'check_violation',
            CONSTRAINT = 'customer_is_merged_into_one_that_stays';
    END IF;
    RETURN NEW;
"""
# Only along with the one into whom it was merged.
_FOR_GOOD = """
    IF NOT EXISTS (SELECT FROM customers_customer
                   WHERE id = OLD.merged_into_id AND merged_into_id = NEW.merged_into_id) THEN
        RAISE EXCEPTION 'customer % stays merged into %', OLD.id, OLD.merged_into_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'customer_is_merged_for_good';
    END IF;
    RETURN NEW;
"""
_FOLLOW = """
    IF EXISTS (SELECT FROM customers_customer WHERE merged_into_id = NEW.id) THEN
        RAISE EXCEPTION 'customers who were merged into % are to be merged into %',
            NEW.id, NEW.merged_into_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'merged_customers_follow';
    END IF;
    RETURN NULL;
"""

MERGE_TRIGGERS = [
    pgtrigger.Trigger(
        name="customer_is_merged_into_one_that_stays",
        when=pgtrigger.Before,
        operation=pgtrigger.Insert | pgtrigger.UpdateOf("merged_into_id"),
        condition=pgtrigger.Q(new__merged_into__isnull=False),
        func=_ONE_THAT_STAYS,
    ),
    pgtrigger.Trigger(
        name="customer_is_merged_for_good",
        when=pgtrigger.Before,
        operation=pgtrigger.UpdateOf("merged_into_id"),
        condition=pgtrigger.Q(old__merged_into__isnull=False)
        & pgtrigger.Q(old__merged_into__df=pgtrigger.F("new__merged_into")),
        func=_FOR_GOOD,
    ),
    pgtrigger.Trigger(
        name="merged_customers_follow",
        when=pgtrigger.After,
        operation=pgtrigger.UpdateOf("merged_into_id"),
        timing=pgtrigger.Deferred,
        condition=pgtrigger.Q(new__merged_into__isnull=False),
        func=_FOLLOW,
    ),
]
