"""Keeping short secrets that we must be able to read again, so that a database dump has none.

They are encrypted with Fernet under a key drawn from the secret key; those of
``SECRET_KEY_FALLBACKS`` still open what they sealed, so that the secret key can be changed.
"""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from billing.engine.errors import Refused

PURPOSE = b"kvitt sealed secrets:"


def seal(secret: str) -> str:
    return _box().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """Raises :class:`Refused` ("secret_unreadable") where it was sealed under another key."""
    try:
        return _box().decrypt(sealed).decode()
    except InvalidToken as error:
        raise Refused(
            "This secret was sealed under another secret key. Name that one in "
            "KVITT_SECRET_KEY_FALLBACKS, or make a new secret.",
            code="secret_unreadable",
        ) from error


def _box() -> MultiFernet:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([Fernet(_key(key)) for key in keys])


def _key(secret_key: str) -> bytes:
    # The secret key is long and random, so a fast digest is as good as a slow one.
    return base64.urlsafe_b64encode(hashlib.sha256(PURPOSE + secret_key.encode()).digest())
