"""How sure we are that it is they who sign in: the second step.

Allauth asks for the second factor and the passkey. Here is what it cannot know: that the desk opens
to nobody without a second factor, and how the first step back is taken when one is lost.
"""

import base64
import hashlib
import logging
import secrets
from typing import Any

import segno
from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.core import context, ratelimit
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.models import Session
from django.core.signing import BadSignature
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import pgettext_lazy

from billing.base import clock
from billing.base.requests import Handler
from billing.staff.passkeys import UNNAMED

SECOND_STEP, DEVICE = "second_step", "kvitt_device"
DEVICE_KNOWN_FOR = 180 * 24 * 60 * 60
FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]

log = logging.getLogger(__name__)


class MfaAdapter(DefaultMFAAdapter):
    """Seeds encrypted under the secret key: a copy of the database alone makes no codes."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": pgettext_lazy(
            "desk", "That code is wrong, or was used before. Try again with a new one."
        ),
    }

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return _cipher().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            log.error("A second factor does not fit KVITT_SECRET_KEY: it was changed since.")
            # No code fits a seed that was thrown away; an empty one would have known codes.
            return base64.b32encode(secrets.token_bytes(20)).decode()

    def get_totp_label(self, user: Any) -> str:
        return f"{user.get_username()}@{context.request.get_host()}"

    def generate_authenticator_name(self, user: Any, type: Authenticator.Type) -> str:
        count = Authenticator.objects.filter(user=user, type=type).count()
        return f"{UNNAMED} {count + 1}" if count else UNNAMED

    def build_totp_svg(self, url: str) -> str:
        code = segno.make(url, error="m")
        return code.svg_inline(border=2, dark="#14171f", light="#ffffff", omitsize=True)


def _cipher() -> MultiFernet:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    digests = (hashlib.sha256(f"billing.staff.mfa:{key}".encode()).digest() for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


class CodeForm(AuthenticateForm):
    """A code of the second step, with a budget of its own for each browser that is known.

    All who come from browsers that have never shown a factor share one: who has only the password
    can use up that of strangers, and not its owner's.
    """

    def clean_code(self) -> str:
        request = context.request
        key = _whose_guesses(request, self.user)
        if not ratelimit.consume(request, action=SECOND_STEP, key=key):
            raise get_account_adapter().validation_error("too_many_login_attempts")
        code: str = super().clean_code()
        ratelimit.clear(request, action=SECOND_STEP, key=key)
        return code


class CodeAgainForm(CodeForm, ReauthenticateForm):
    """The same, where somebody who is in shows who they are once more."""


def _whose_guesses(request: HttpRequest, user: Any) -> str:
    """What guesses are counted by: the browser, where this user has shown a factor in it before."""
    try:
        known = request.get_signed_cookie(DEVICE, salt=DEVICE, max_age=DEVICE_KNOWN_FOR) or ""
    except (KeyError, BadSignature):
        known = ""
    owner, _, device = known.partition(":")
    return f"{user.pk}:{device}" if owner == str(user.pk) else f"{user.pk}:strangers"


def _know_device(request: HttpRequest, answer: HttpResponse) -> None:
    """Leave a mark in the browser in which a factor was shown; once a session."""
    if request.session.get(DEVICE):
        return
    request.session[DEVICE] = True
    answer.set_signed_cookie(
        DEVICE,
        f"{request.user.pk}:{secrets.token_urlsafe(12)}",
        salt=DEVICE,
        max_age=DEVICE_KNOWN_FOR,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
        path="/accounts/",
    )


def require_mfa(get_response: Handler) -> Handler:
    """Middleware: no page under /admin/ answers a session that has shown no second factor."""

    def respond(request: HttpRequest) -> HttpResponse:
        if settings.STAFF_MFA and request.path_info.startswith("/admin/"):
            if request.user.is_authenticated and not has_shown_factor(request):
                return HttpResponseRedirect(_where_to_show_factor(request))
            answer = get_response(request)
            if request.user.is_authenticated:
                _know_device(request, answer)
            return answer
        return get_response(request)

    return respond


def has_shown_factor(request: HttpRequest) -> bool:
    """Whether this session has shown a factor that its user still has.

    That the user has one is not enough: who knows the password may have signed in before it was
    set up.
    """
    shown = [
        record["id"]
        for record in get_authentication_records(request, request.user)
        if record["method"] == "mfa" and "id" in record
    ]
    return bool(shown) and Authenticator.objects.filter(user=request.user, pk__in=shown).exists()


def has_factor(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether the user has set up an authenticator app or a passkey."""
    return Authenticator.objects.filter(user=user, type__in=FACTORS).exists()


def _where_to_show_factor(request: HttpRequest) -> str:
    if not has_factor(request.user):
        return reverse("mfa_index")
    methods = get_account_adapter().get_reauthentication_methods(request.user)
    url = next(method["url"] for method in methods if method["id"] != "reauthenticate")
    return f"{url}?{urlencode({'next': request.get_full_path()})}"


@receiver(authenticator_added)
def count_as_shown(
    request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any
) -> None:
    """Who sets a factor up has it in hand: no second question for the session that did."""
    if authenticator.type in FACTORS:
        record_authentication(
            request, user, "mfa", id=authenticator.pk, type=str(authenticator.type)
        )


@transaction.atomic
def reset_mfa(user: User) -> int:
    """Forget every factor of a user who has lost one, and end their sessions.

    The next sign-in with the password leads to the set-up. Returns how many factors there were.
    """
    found = list(Authenticator.objects.select_for_update().filter(user=user))
    Authenticator.objects.filter(pk__in=[each.pk for each in found]).delete()
    for session in Session.objects.filter(expire_date__gt=clock.now()).iterator():
        if session.get_decoded().get(SESSION_KEY) == str(user.pk):
            session.delete()
    log.warning("The second step of %s was reset.", user.get_username())
    return sum(each.type in FACTORS for each in found)
