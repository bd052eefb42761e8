"""What staff see where a page of the desk is not there or not allowed: in the desk's frame, with
its menu, for whoever is signed in; else as the pages on which one signs in.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.translation import get_language, pgettext

PATHS = ("/admin/", "/accounts/")
ASKED_MAX = 3


def is_of_desk(request: HttpRequest) -> bool:
    return request.path.startswith(PATHS)


def not_found(request: HttpRequest) -> HttpResponse:
    return _show(
        request,
        404,
        pgettext("desk", "This page does not exist"),
        pgettext(
            "desk",
            "What it showed may have been removed, or part of the address was lost on the way. "
            "Search for it, or start from the front page.",
        ),
    )


def forbidden(request: HttpRequest) -> HttpResponse:
    title = pgettext("desk", "You may not do this")
    if not _has_come_in(request):
        return _show(request, 403, title, pgettext("desk", "Sign in first."))
    known = {"name": _name_of(request.user), "others": _who_gives_rights()}
    advice = (
        pgettext(
            "desk",
            "You are signed in as %(name)s, whose roles do not include it. Ask %(others)s, who can "
            "give you another role.",
        )
        if known["others"]
        else pgettext(
            "desk",
            "You are signed in as %(name)s, whose roles do not include it. Ask whoever runs this "
            "installation for another role.",
        )
    )
    return _show(request, 403, title, advice % known)


def form_refused(request: HttpRequest) -> HttpResponse:
    """Nobody can tell the form from one of another site's."""
    return _show(
        request,
        403,
        pgettext("desk", "The form could not be accepted"),
        pgettext(
            "desk",
            "Nothing was done. You may have signed in again since you opened the page, or your "
            "browser may be blocking cookies for this address. Go back, reload the page and try "
            "again.",
        ),
    )


def too_many(request: HttpRequest) -> HttpResponse:
    return _show(
        request,
        429,
        pgettext("desk", "Too many attempts"),
        pgettext("desk", "Nothing was done. Wait a minute, then try again."),
    )


def standing(template: str, request: HttpRequest, status: int, **known: Any) -> HttpResponse:
    """A page in both languages that asks nobody for anything, not even the database."""
    text = render_to_string(template, {"is_of_desk": is_of_desk(request), **known})
    return HttpResponse(text, status=status)


def _who_gives_rights() -> str:
    """Some of those who may change roles; those who would know are few."""
    rows = get_user_model()._default_manager.filter(is_superuser=True, is_active=True)
    *first, last = [_name_of(each) for each in rows.order_by("pk")[:ASKED_MAX]] or [""]
    return pgettext("desk", " or ").join(filter(None, [", ".join(first), last]))


def _name_of(user: Any) -> str:
    return user.get_full_name() or user.get_username()


def _has_come_in(request: HttpRequest) -> bool:
    """Whether staff have signed in with both steps: only they see the menu, and who is who."""
    return hasattr(request, "desk_scope") and admin.site.has_permission(request)


def _show(request: HttpRequest, status: int, title: str, advice: str) -> HttpResponse:
    said = {"title": title, "advice": advice}
    if not _has_come_in(request):
        bare = {**said, "is_of_desk": True, "language": get_language()}
        return HttpResponse(render_to_string("bare.html", bare), status=status)
    request.current_app = admin.site.name
    context = {**admin.site.each_context(request), **said}
    return TemplateResponse(request, "admin/desk/failure.html", context, status=status).render()
