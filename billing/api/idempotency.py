"""A POST that is sent again does nothing again: it gets the answer that the first one got.

The key is claimed by inserting a row, which is committed before the work begins. The answer is
stored in the transaction of the work, so a lost answer means that the work was rolled back. A
claim is alive as long as the database session that made it, which holds an advisory lock: the next
request with the key takes over at once what a dead worker has left, and should the first come back
to life, it finds its claim gone and its work is rolled back. What was refused did nothing, and is
not kept: a body that was mended may come with the same key.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.http import HttpResponse

from billing.api.errors import ApiError
from billing.api.models import Bucket, IdempotentRequest
from billing.base.sealing import seal, unseal
from billing.base.sql.prepared import prepared
from billing.base.sql.telling import untold

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEY_MAX = 255
KEPT = timedelta(days=30)
# The first key of the advisory locks by which claims live; the second is the claim's row.
LOCK = 1_500_015

# The claim need not wait for the disk: the log is written in order, so what the work commits is
# never there without it.
_CLAIM = """
    INSERT INTO api_idempotentrequest AS r (owner_id, key, fingerprint, claim, claimed_at)
    SELECT %(owner)s, %(key)s, %(fingerprint)s, %(claim)s, %(now)s
    WHERE set_config('synchronous_commit', 'off', true) = 'off'
    ON CONFLICT (owner_id, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, claim = excluded.claim,
        claimed_at = excluded.claimed_at, status = NULL, answer = ''
    WHERE r.claimed_at < %(forgotten)s
       OR (r.status IS NULL AND r.fingerprint = excluded.fingerprint AND NOT EXISTS (
               SELECT FROM pg_locks
               WHERE locktype = 'advisory' AND objsubid = 2 AND granted
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND classid = %(lock)s::oid AND objid = (r.id %% 2147483647)::oid))
    RETURNING id, pg_try_advisory_lock(%(lock)s::int, (id %% 2147483647)::int)
"""
_UNLOCK = "SELECT pg_advisory_unlock(%s::int, (%s::bigint %% 2147483647)::int)"
_KEEP = """
    WITH kept AS (
        UPDATE api_idempotentrequest SET status = %s, answer = %s
        WHERE id = %s AND claim = %s AND status IS NULL RETURNING id
    )
    SELECT EXISTS (SELECT FROM kept),
        pg_advisory_unlock(%s::int, (%s::bigint %% 2147483647)::int)
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer one request; its own name tells it from whoever takes it over."""

    id: int
    name: str
    is_secret: bool = False

    def keep(self, status: int, answer: str) -> bool:
        """Store the answer for whoever asks again; False where another has taken over."""
        kept = seal(answer) if self.is_secret else answer
        with prepared() as cursor:
            cursor.execute(_KEEP, [status, kept, self.id, self.name, LOCK, self.id])
            return bool(cursor.fetchone()[0])

    def release(self) -> None:
        """Let the same request be tried again at once."""
        IdempotentRequest.objects.filter(pk=self.id, claim=self.name, status=None).delete()
        with connection.cursor() as cursor:
            cursor.execute(_UNLOCK, [LOCK, self.id])


def key_of(given: str | None, *, is_required: bool) -> str | None:
    """The key that a request was sent with; raises :class:`ApiError` for a missing or bad one."""
    if given is None:
        if is_required:
            raise ApiError(
                400,
                "idempotency_key_missing",
                f"Send the header {HEADER} with a text of your own, the same for each retry: "
                "without it a retry would do this twice.",
                attr=HEADER,
            )
        return None
    if not 1 <= len(given) <= KEY_MAX or not (given.isascii() and given.isprintable()):
        raise ApiError(
            400,
            "idempotency_key_invalid",
            f"{HEADER} has 1 to {KEY_MAX} visible characters of ASCII.",
            attr=HEADER,
        )
    return given


def fingerprint_of(method: str, path: str, body: bytes) -> str:
    """Of what a request says: neither the order of its fields nor how they are spelt counts."""
    try:
        said = json.dumps(json.loads(body, parse_float=str), sort_keys=True).encode()
    except (ValueError, RecursionError):
        said = body  # It will be refused, each time.
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), said))).hexdigest()


def claim(
    owner_id: int, key: str, fingerprint: str, now: datetime, *, is_secret: bool = False
) -> Claim | HttpResponse:
    """The claim to answer a request, or the answer that it got before.

    What ``is_secret`` is kept sealed, so that whoever reads the database gets in nowhere.
    Raises :class:`ApiError`: 409 "request_in_progress" while the first runs, 422
    "idempotency_key_reused" where the key came with another request.
    """
    name = secrets.token_hex(16)
    with untold(), prepared() as cursor:
        cursor.execute(
            _CLAIM,
            {
                "owner": owner_id,
                "key": key,
                "fingerprint": fingerprint,
                "claim": name,
                "now": now,
                "forgotten": now - KEPT,
                "lock": LOCK,
            },
        )
        row = cursor.fetchone()
    if row:
        return Claim(row[0], name, is_secret)
    first = IdempotentRequest.objects.filter(owner_id=owner_id, key=key).first()
    if first is not None and first.fingerprint != fingerprint:
        raise ApiError(
            422,
            "idempotency_key_reused",
            "This key came with another request before: take a new one.",
            attr=HEADER,
        )
    if first is None or first.status is None:
        raise ApiError(
            409,
            "request_in_progress",
            "The first request with this key is still being answered. Ask again in a moment.",
            attr=HEADER,
            wait_s=1,
        )
    kept = unseal(first.answer) if is_secret else first.answer
    answer = HttpResponse(kept, status=first.status, content_type="application/json")
    answer[REPLAYED] = "true"
    return answer


def forget(now: datetime, limit: int = 10_000) -> int:
    """Forget what was answered more than :data:`KEPT` ago, and who guessed keys before yesterday.

    For the tick, until it returns 0: how many rows went, a bounded number at a time.
    """
    old = IdempotentRequest.objects.filter(claimed_at__lt=now - KEPT).values("pk")[:limit]
    count, _ = IdempotentRequest.objects.filter(pk__in=old).delete()
    quiet = Bucket.objects.filter(filled_at__lt=now - timedelta(days=1)).values("pk")[:limit]
    quieter, _ = Bucket.objects.filter(pk__in=quiet).delete()
    return count + quieter
