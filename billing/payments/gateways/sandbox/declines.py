"""Why a charge was refused, in the sandbox's words and in ours."""

from billing.engine.declines import Decline


def decline_of(code: str) -> Decline:
    """The sandbox has our own words; whatever else it says is a plain decline."""
    return Decline.of(code)
