"""How payments, refunds and sessions move from state to state; triggers hold the same."""

PAYMENT_LIFECYCLE = {
    "planned": frozenset({"created", "canceled"}),
    # Back to planned: the gateway was not reached, or has made no charge.
    "created": frozenset(
        {"planned", "submitted", "requires_action", "succeeded", "failed", "unknown", "canceled"}
    ),
    "submitted": frozenset({"requires_action", "succeeded", "failed", "unknown"}),
    "requires_action": frozenset({"submitted", "succeeded", "failed", "unknown", "canceled"}),
    "unknown": frozenset({"planned", "requires_action", "succeeded", "failed", "canceled"}),
    "succeeded": frozenset({"returned"}),
    "failed": frozenset(),
    "canceled": frozenset(),
    # Once more would be another payment.
    "returned": frozenset(),
}
# Unknown is a refund from the moment that it is sent: then only the gateway knows. It is sent
# again, with its key, when the gateway says that it never came. Owed is one that no gateway can
# send, until a person says that they have paid it.
REFUND_LIFECYCLE = {
    "owed": frozenset({"succeeded"}),
    "created": frozenset({"unknown"}),
    "unknown": frozenset({"created", "succeeded", "failed"}),
    "succeeded": frozenset(),
    "failed": frozenset(),
}
SESSION_LIFECYCLE = {
    "creating": frozenset({"open", "expired"}),
    "open": frozenset({"complete", "expired"}),
    "complete": frozenset(),
    "expired": frozenset(),
}
