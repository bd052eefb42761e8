"""Who signs in to the operator's desk, and how sure we are that it is them.

Allauth asks for the password, the second factor and the passkey; axes counts what fails. Here is
what they cannot know: that only staff sign in, that the desk opens to nobody without a second
factor, and how the first step back is taken when one is lost.
"""

import base64
import hashlib
import ipaddress
import logging
import secrets
from collections.abc import Callable
from typing import Any

import segno
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.core import context, ratelimit
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added
from axes.models import AccessAttempt
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.core.signing import BadSignature
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from billing.events import clock

type Handler = Callable[[HttpRequest], HttpResponse]

IPV6_SUBSCRIBER_BITS = 64
SECOND_STEP, DEVICE = "second_step", "kvitt_device"
DEVICE_KNOWN_FOR = 180 * 24 * 60 * 60
FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]

log = logging.getLogger(__name__)


# Who may


class StaffBackend(AuthenticationBackend):
    """Passwords of active staff. Anybody else's is as wrong as one that is mistyped."""

    def user_can_authenticate(self, user: Any) -> bool:
        """Asked at every request as well, so who is no longer staff is out at once."""
        return super().user_can_authenticate(user) and user.is_staff

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
        user = super().authenticate(request, **credentials)
        # What is set aside here would be answered with a page of its own: with a difference.
        self.unstash_authenticated_user()
        return user


class AccountAdapter(DefaultAccountAdapter):
    """Allauth's account pages, for staff that a superuser has entered."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "incorrect_password": "That password is wrong.",
        "too_many_login_attempts": "Too many wrong attempts. Wait some minutes, then try again.",
        "username_password_mismatch": "Username or password is wrong.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Axes counts by name and address. A limit by name alone would let anybody lock us out."""

    def pre_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponse | None:
        """A passkey, too, opens to active staff only."""
        if user.is_active and user.is_staff:
            return super().pre_login(request, user, **kwargs)
        return self.respond_user_inactive(request, user)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("mfa_index")

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Who signed in within the last minutes has just shown who they are."""
        now_s = clock.now().timestamp()
        records = get_authentication_records(self.request, self.request.user)
        is_recent = any(
            now_s - record["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT for record in records
        )
        return not is_recent and super().is_reauthentication_required(app=app, **kwargs)


# The second factor


class MfaAdapter(DefaultMFAAdapter):
    """Seeds encrypted under the secret key: a copy of the database alone makes no codes."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "That does not fit, or was used before. Try again with a new one.",
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
        return f"Passkey {count + 1}" if count else "Passkey"

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


# What fails


def client_address(request: HttpRequest) -> str | None:
    """The address that attempts are counted by; of IPv6 the network that one subscriber has.

    None for who comes through a socket that has no addresses.
    """
    try:
        address = ipaddress.ip_address(get_account_adapter().get_client_ip(request))
    except PermissionDenied:
        return None
    if address.version == 4:
        return str(address)
    network = ipaddress.ip_network((address, IPV6_SUBSCRIBER_BITS), strict=False)
    return str(network.network_address)


def client_name(request: HttpRequest, credentials: dict[str, Any] | None) -> str | None:
    """The name that attempts are counted by: sign-in takes no notice of case, nor does this."""
    given = (credentials or {}).get("username") or request.POST.get("login")
    return str(given).strip().lower()[:255] if given else None


def is_locked(attempt: AccessAttempt) -> bool:
    """Whether these failures keep their name from signing in at their address at this moment."""
    since = clock.now() - settings.AXES_COOLOFF_TIME
    return (
        attempt.failures_since_start >= settings.AXES_FAILURE_LIMIT and attempt.attempt_time > since
    )


def unlock(attempt: AccessAttempt) -> None:
    """Let the name sign in at the address again, before the time is over."""
    AccessAttempt.objects.filter(username=attempt.username, ip_address=attempt.ip_address).update(
        failures_since_start=0
    )
