"""Keys to the API: made, shown once, replaced, revoked; and whose a presented one is.

A key is 32 random bytes behind a prefix that says what it is (``sk_live_…``, ``sk_test_…``,
``pk_test_…``), so a fast hash is enough: nobody can try them all.
"""

import base64
import hashlib
import hmac
import math
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from billing.api.models import BURST, PER_S, ApiKey
from billing.api.scopes import ALL, PUBLISHABLE
from billing.base.sql.prepared import prepared
from billing.base.sql.telling import untold
from billing.engine.errors import Refused
from billing.events.recorder import record_for
from customers.calendar import today_of
from customers.models import Seller, TestClock

SHOWN = 6
BURST_MAX, PER_S_MAX = 100_000, 10_000
SHORT = {ApiKey.Kind.SECRET: "sk", ApiKey.Kind.PUBLISHABLE: "pk"}


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@transaction.atomic
def make_key(
    seller: Seller,
    *,
    name: str,
    actor: str,
    kind: str = ApiKey.Kind.SECRET,
    scopes: Iterable[str] | None = None,
    expires_at: datetime | None = None,
    origin: ApiKey | None = None,
    burst: int = BURST,
    per_s: int = PER_S,
) -> tuple[ApiKey, str]:
    """Make a key; also its text, which is told once and kept nowhere.

    Without ``scopes`` it may do all that its kind may. Raises :class:`Refused` where a publishable
    key would do more than that ("scope_not_publishable"), for "unknown_scope", and for
    "limits_out_of_bounds".
    """
    _check_limits(burst, per_s)
    allowed = PUBLISHABLE if kind == ApiKey.Kind.PUBLISHABLE else ALL
    wanted = allowed if scopes is None else frozenset(scopes)
    if wanted - ALL:
        raise Refused(f"There is no scope {min(wanted - ALL)}.", code="unknown_scope")
    if wanted - allowed:
        raise Refused(
            f"A publishable key may not have {min(wanted - allowed)}: anybody can read it.",
            code="scope_not_publishable",
        )
    mode = "live" if seller.is_live else "test"
    prefix = f"{SHORT[ApiKey.Kind(kind)]}_{mode}_"
    drawn = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    text = prefix + drawn
    key = ApiKey.objects.create(
        seller=seller,
        name=name,
        kind=kind,
        scopes=sorted(wanted),
        prefix=text[: len(prefix) + SHOWN],
        secret_hash=hash_of(text),
        expires_at=expires_at,
        origin=origin,
        burst=burst,
        per_s=per_s,
        tokens=burst,
        created_by=actor[:80],
    )
    record_for("api_key.made", key, today_of(key.seller), actor, name=name, kind=kind)
    return key, text


@transaction.atomic
def rotate_key(
    key: ApiKey,
    *,
    now: datetime,
    actor: str,
    overlap: timedelta,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a successor that may do the same, and as much of it, until ``expires_at``.

    The old one opens for ``overlap`` more, and no longer than it would have. Requests that it has
    made count for the new one: a retry finds its answer.
    """
    key = _locked(key)
    if key.revoked_at or (key.expires_at and key.expires_at <= now):
        raise Refused("This key opens no more: make a new one.", code="key_not_active")
    successor, text = make_key(
        key.seller,
        name=key.name,
        actor=actor,
        kind=key.kind,
        scopes=key.scopes,
        expires_at=expires_at,
        origin=key.origin or key,
        burst=key.burst,
        per_s=key.per_s,
    )
    until = now + overlap
    key.expires_at = min(key.expires_at, until) if key.expires_at else until
    key.save(update_fields=["expires_at"])
    record_for("api_key.rotated", key, today_of(key.seller), actor, successor=successor.public_id)
    return successor, text


@transaction.atomic
def change_limits(key: ApiKey, *, burst: int, per_s: int, actor: str) -> ApiKey:
    """Let a key make ``burst`` requests at once, and ``per_s`` a second in the long run, from now.

    Raises :class:`Refused` ("key_revoked", "limits_out_of_bounds").
    """
    _check_limits(burst, per_s)
    key = _locked(key)
    if key.revoked_at:
        raise Refused("This key has already been revoked.", code="key_revoked")
    key.burst, key.per_s = burst, per_s
    key.save(update_fields=["burst", "per_s"])
    record_for("api_key.limits_changed", key, today_of(key.seller), actor, burst=burst, per_s=per_s)
    return key


@transaction.atomic
def revoke_key(key: ApiKey, *, now: datetime, actor: str) -> ApiKey:
    """Let a key open nothing from now on. There is no way back."""
    key = _locked(key)
    if key.revoked_at:
        raise Refused("This key has already been revoked.", code="key_revoked")
    key.revoked_at = now
    key.save(update_fields=["revoked_at"])
    record_for("api_key.revoked", key, today_of(key.seller), actor)
    return key


def _check_limits(burst: int, per_s: int) -> None:
    if not (1 <= burst <= BURST_MAX and 1 <= per_s <= PER_S_MAX):
        raise Refused(
            f"A key makes 1 to {BURST_MAX:,} requests at once, and 1 to {PER_S_MAX:,} a second.",
            code="limits_out_of_bounds",
        )


def _locked(key: ApiKey) -> ApiKey:
    rows = ApiKey.objects.select_for_update(of=["self"]).select_related("seller", "origin")
    return rows.get(pk=key.pk)


# Whose a key is


@dataclass(frozen=True, slots=True)
class Limit:
    """How many requests somebody may make: ``burst`` at once, ``per_s`` a second in the long run.

    ``left`` is what may be made at once now. ``wait_s`` is above zero where this request was one
    too many: the seconds until the next.
    """

    burst: int
    per_s: int
    left: int
    wait_s: Decimal

    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-11 has it: quota, window, what remains of it.

        The window is the time in which an empty bucket fills. "t" says when all of the quota is
        there again, or, where this request was refused, the same as Retry-After.
        """
        window_s = math.ceil(self.burst / self.per_s)
        full_in_s = math.ceil((self.burst - self.left) / self.per_s)
        reset_s = max(1, math.ceil(self.wait_s)) if self.wait_s else full_in_s
        return {
            "RateLimit-Policy": f'"requests";q={self.burst};w={window_s}',
            "RateLimit": f'"requests";r={self.left};t={reset_s}',
        }


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a key that opens, and whose it is. ``owner_id`` is what repeats are told by."""

    key_id: int
    owner_id: int
    public_id: str
    kind: str
    scopes: frozenset[str]
    seller: Seller
    limit: Limit

    is_authenticated = True

    @property
    def actor(self) -> str:
        return f"key:{self.public_id}"


SELLER = ("id", "public_id", "name", "is_live", "country", "currency", "time_zone", "language")
CLOCK = ("id", "at")
# One statement finds the key, takes a token of its bucket and notes the minute of its use (of a
# publishable key the visitors have a bucket each; see `count_visit`). What
# the bucket held is read under the row's lock, so that of many requests at once each has its own
# token; a crash may lose the last tokens taken, which is not worth waiting for the disk.
_OPEN = f"""
    UPDATE api_apikey k
    SET tokens = CASE WHEN k.kind = 'publishable' THEN k.tokens
                      WHEN held.tokens >= 1 THEN held.tokens - 1 ELSE held.tokens END,
        filled_at = GREATEST(k.filled_at, %(now)s),
        last_used_at = CASE WHEN k.last_used_at > %(now)s - interval '1 minute'
                            THEN k.last_used_at ELSE %(now)s END
    FROM (
        SELECT a.id, LEAST(a.burst::numeric, a.tokens + a.per_s * GREATEST(
                   0, extract(epoch FROM %(now)s - a.filled_at))) AS tokens
        FROM api_apikey a
        WHERE a.secret_hash = %(hash)s AND a.revoked_at IS NULL
          AND (a.expires_at IS NULL OR a.expires_at > %(now)s)
          AND set_config('synchronous_commit', 'off', true) = 'off'
        FOR NO KEY UPDATE
    ) held
    JOIN api_apikey key ON key.id = held.id
    JOIN customers_seller s ON s.id = key.seller_id
    LEFT JOIN customers_testclock c ON c.seller_id = s.id
    WHERE k.id = held.id
    RETURNING k.id, COALESCE(k.origin_id, k.id), k.public_id, k.kind, k.scopes, k.secret_hash,
        CASE WHEN k.kind = 'publishable' OR held.tokens >= 1 THEN 0
             ELSE (1 - held.tokens) / k.per_s END, k.burst, k.per_s,
        GREATEST(0, floor(held.tokens - 1))::bigint,
        {", ".join(f"c.{name}" for name in CLOCK)}, {", ".join(f"s.{name}" for name in SELLER)}
"""  # noqa: S608


def open_with(text: str, now: datetime) -> Caller | None:
    """Whose key this is, one request of its budget taken; None where it opens nothing.

    Of a publishable key each visitor has a budget; see :func:`count_visit`. Unknown, revoked and
    expired keys take the same path here. What the index compares is a hash that nobody can steer;
    the whole of it is compared once more in constant time.
    """
    hashed = hash_of(text)
    with untold(), prepared() as cursor:
        cursor.execute(_OPEN, {"hash": hashed, "now": now})
        row = cursor.fetchone()
    if row is None or not hmac.compare_digest(row[5], hashed):
        return None
    seller = Seller.from_db(connection.alias, SELLER, row[12:])
    clock = TestClock.from_db(connection.alias, CLOCK, row[10:12]) if row[10] else None
    Seller.test_clock.related.set_cached_value(seller, clock)  # So that nobody asks for it.
    limit = Limit(burst=row[7], per_s=row[8], left=row[9], wait_s=Decimal(row[6]))
    key_id, owner_id, public_id, kind, scopes = row[:5]
    return Caller(key_id, owner_id, public_id, kind, frozenset(scopes), seller, limit)


# What an address may do so often: a bucket each, emptied no further than to nothing, so that who
# goes on trying does not prolong the wait.
_TAKE = """
    INSERT INTO api_bucket AS b (what, address, tokens, filled_at)
    VALUES (%(what)s, %(address)s, %(burst)s - %(taken)s, %(now)s)
    ON CONFLICT (what, address) DO UPDATE SET
        tokens = GREATEST(0, LEAST(%(burst)s, b.tokens + %(per_s)s * GREATEST(
            0, extract(epoch FROM %(now)s - b.filled_at))) - %(taken)s),
        filled_at = GREATEST(b.filled_at, %(now)s)
    RETURNING tokens
"""
GUESSES, GUESSES_PER_S = 20, Decimal("0.2")
CODES, CODES_PER_S = 20, Decimal("0.01")


def count_guess(address: str, now: datetime) -> bool:
    """Note that a key from an address opens nothing; whether it has tried too often."""
    return _take("key", address, now, GUESSES, GUESSES_PER_S) <= 0


def count_visit(caller: Caller, address: str, now: datetime) -> Limit:
    """Take a request of a visitor's budget with a publishable key; what is left of it.

    Everybody who opens the shop's pages has the same key: counted by key alone, one of them could
    use it up for all.
    """
    burst, per_s = caller.limit.burst, caller.limit.per_s
    left = _take(f"visit:{caller.owner_id}", address, now, burst, Decimal(per_s))
    # The last token is never given: what is left is bounded below by nothing.
    wait_s = Decimal(0) if left > 0 else 1 / Decimal(per_s)
    return Limit(burst, per_s, max(0, math.ceil(left) - 1), wait_s)


def has_tried_codes(caller: Caller, address: str, now: datetime) -> bool:
    """Whether an address has tried so many of a seller's codes that no more are looked up."""
    return _take(f"code:{caller.seller.pk}", address, now, CODES, CODES_PER_S, taken=0) < 1


def count_code(caller: Caller, address: str, now: datetime) -> None:
    """Note that a code from an address is no coupon's."""
    _take(f"code:{caller.seller.pk}", address, now, CODES, CODES_PER_S)


def _take(
    what: str, address: str, now: datetime, burst: int, per_s: Decimal, taken: int = 1
) -> Decimal:
    """Take tokens from an address's bucket; what is left in it."""
    values: dict[str, Any] = {"what": what, "address": address, "burst": burst, "per_s": per_s}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, values | {"now": now, "taken": taken})
        left: Decimal = cursor.fetchone()[0]
    return left
