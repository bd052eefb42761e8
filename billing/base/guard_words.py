"""What the database's guards say to whoever runs into one in a form: what is wrong, and what to do.

By their names, since constraints and triggers refuse in the same way and know no words. They stand
here, so that a better sentence needs no migration; a constraint may also have its own. A test asks
for a sentence for each guard that a form of the desk can meet, and for its translation.
"""

GUARD_WORDS = {
    # Sellers and customers
    "seller_mode_is_never_changed": "A seller stays live or test for ever. Add another seller.",
    "customer_external_id_is_unique": (
        "Another customer of this seller has this external id. Give each customer an id of its own."
    ),
    "customer_is_merged_into_one_that_stays": (
        "A customer can only be merged into another customer of the same seller, and not into "
        "one that has itself been merged. Choose another customer."
    ),
    "customer_is_merged_for_good": "A merge cannot be undone.",
    "merged_customers_follow": (
        "Other customers were merged into this one. They must be merged into the other one as well."
    ),
    # Catalog
    "product_name_is_unique": (
        "This seller already has a product with this name. Choose another name."
    ),
    "plan_code_is_unique": "This seller already has a plan with this code. Choose another code.",
    "plan_interval_is_positive": "A period lasts at least 1 day, week, month or year.",
    "active_price_code_is_unique": (
        "This plan already offers a price with this code in this currency. Choose another code, or "
        "first stop offering the other price."
    ),
    "price_quantity_not_negative": "The quantity of a price cannot be below 0.",
    "used_price_is_never_edited": (
        "Somebody has agreed to this price, so it stays as it is. Add a new price instead, and "
        "stop offering this one."
    ),
    "used_price_is_never_deleted": (
        "Somebody has agreed to this price, so it cannot be deleted. Stop offering it instead."
    ),
    "coupon_code_is_unique": (
        "This seller already has a coupon with this code. Choose another code."
    ),
    "coupon_is_percent_or_amount": (
        "A coupon takes off either a percentage or an amount above 0. Fill in one of the two."
    ),
    "coupon_percent_is_in_range": "A coupon takes off between 0 and 100 percent.",
    "repeating_coupon_has_periods": (
        "A repeating coupon needs the number of billing periods that it lasts, at least 1."
    ),
    "meter_code_is_unique": "This seller already has a meter with this code. Choose another code.",
    # Books and documents
    "account_is_unique_in_its_role": (
        "This seller already has an account with this number for this use. Choose another number."
    ),
    "account_is_never_deleted": "An account stays, because books may have been kept on it.",
    "one_number_series_of_a_kind": (
        "This seller already has a number series for this kind of document. Edit that one."
    ),
    "no_number_is_given_while_held": (
        "Document numbers are on hold. Release the hold on the front page first."
    ),
    # Tax
    "tax_rate_is_in_range": "A tax rate is between 0 and 100 percent.",
    "tax_rate_holds_for_some_days": (
        "The rate ends before it begins. Its last limit is the first day without it, so it must "
        "come after the first day."
    ),
    "one_default_tax_rate_at_a_time": (
        "Another rate is the default for this country and category on some of these days. End "
        "that one first, or do not mark this one as default."
    ),
    "tax_registration_has_a_number": "Fill in the number under which the seller is registered.",
    "tax_registration_holds_for_some_days": (
        "The registration ends before it begins. Its end is the first day without it, so it must "
        "come after the first day."
    ),
    "one_tax_registration_at_a_time": (
        "The seller already has such a registration in this country on some of these days. End "
        "that one first."
    ),
    # Late debts
    "dunning_policy_code_is_unique": (
        "There is already a policy with this code. Choose another code."
    ),
    "shipped_dunning_policy_stays": (
        "This policy comes with Kvitt and cannot be deleted. Sellers can choose another."
    ),
    "dunning_step_is_in_a_policy_once": (
        "The policy already has this step on this day. Choose another day, or leave it out."
    ),
    "one_dunning_policy_is_chosen_for_a_plan": (
        "A policy has already been chosen for this plan. Each plan has at most one, and all the "
        "plans without one of their own share another."
    ),
    "dunning_choice_stays_with_its_seller": (
        "The policy and the plan belong to different sellers. Choose two of the same seller."
    ),
    # Stopping all charges
    "kill_switch_has_a_reason": "Say why charging is stopped.",
    "kill_switch_is_turned_off_by_somebody": (
        "A kill switch that is off names who turned it off, and when."
    ),
    "kill_switch_is_on_once": "Charging is already stopped here.",
    "kill_switch_that_is_off_stays_off": (
        "This kill switch is off, and stays off. Stop charging again instead."
    ),
    "kill_switch_is_never_deleted": "A kill switch stays, so that everybody can see what was done.",
    "kill_switch_keeps_its_reason": (
        "Who stopped charging, when and why is never edited. Resume, and stop charging again."
    ),
}
