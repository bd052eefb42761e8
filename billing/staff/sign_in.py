"""Who signs in to the operator's desk: staff alone, with allauth's pages."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import pgettext_lazy

from billing.base import clock


class StaffBackend(AuthenticationBackend):
    """Passwords of active staff. Theirs who have left are as wrong as one that is mistyped."""

    def user_can_authenticate(self, user: Any) -> bool:
        """Asked at every request as well, so who is no longer staff is out at once."""
        return super().user_can_authenticate(user) and user.is_staff

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
        user = super().authenticate(request, **credentials)
        # Who is set aside is answered with a page of its own. It is for a colleague who has not
        # been let in yet: who knows the password may know that it is right.
        kept_out = self.unstash_authenticated_user()
        if kept_out is not None and kept_out.is_active:
            self._stash_user(kept_out)
        return user


class AccountAdapter(DefaultAccountAdapter):
    """Allauth's account pages, for staff that a superuser has entered."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "incorrect_password": pgettext_lazy("desk", "That password is wrong."),
        "too_many_login_attempts": pgettext_lazy(
            "desk", "Too many wrong attempts. Wait a few minutes, then try again."
        ),
        "username_password_mismatch": pgettext_lazy("desk", "Username or password is wrong."),
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
