"""What every address of the API is made of: checks, one action, an answer in JSON.

An :class:`Endpoint` has DRF methods (``get``, ``post``, ``patch``) that parse, call an action and
return :func:`reply`. It says which scope each method takes, which parameters its query knows and
whether its POST needs an ``Idempotency-Key``.
"""

from collections.abc import Callable, Mapping
from datetime import date
from functools import cached_property, partial
from typing import Any, ClassVar

import orjson
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.views import APIView

from billing.api import idempotency
from billing.api.answers import LANGUAGE
from billing.api.errors import ApiError, not_found
from billing.api.fields import Writing
from billing.api.filtering import BACKEND, Filters
from billing.api.idempotency import Claim
from billing.api.keys import Caller
from billing.api.origins import for_pages
from billing.api.pagination import Cursor
from billing.api.parsing import check_length, check_path, check_query
from billing.api.reading import Reading, expansion
from billing.api.scopes import PUBLISHABLE
from billing.base import clock
from billing.base.sql.telling import one_transaction
from customers.calendar import today_of
from customers.models import Seller

_encode = partial(orjson.dumps, option=orjson.OPT_PASSTHROUGH_DATETIME)
LISTED = frozenset({"limit", "cursor"})
READS = ("GET", "HEAD")


def reply(data: Any, status: int = 200) -> HttpResponse:
    """An answer in JSON. What is no JSON by itself is a mistake of ours, and fails."""
    return HttpResponse(_encode(data), status=status, content_type="application/json")


def nothing() -> HttpResponse:
    """The answer that says no more than that it was done: 204."""
    answer = HttpResponse(status=204)
    del answer["Content-Type"]
    return answer


# What tells of a payment that was made and declined.
TRIED = "payment_failed"


ENDPOINTS: list[type["Endpoint"]] = []


class Endpoint(APIView):
    """One address: its methods, and what they need."""

    # Below /api/v1/, as Django writes patterns; without one of its own a class is only inherited.
    address: ClassVar[str] = ""
    scopes: ClassVar[Mapping[str, str]] = {}
    # What the query may have, beside what lists know.
    parameters: ClassVar[frozenset[str]] = frozenset()
    reading: ClassVar[type[Reading] | None] = None
    # A retry of this POST would make a second thing.
    needs_key: ClassVar[bool] = False
    # A call to the outside cannot be in a transaction; its own rows keep it from counting twice.
    is_atomic: ClassVar[bool] = True
    # Not even with the scope can a publishable key do it.
    needs_secret_key: ClassVar[bool] = False
    # The answer has a link that lets somebody in: it is kept sealed.
    is_secret: ClassVar[bool] = False
    # The answer may be 402.
    takes_money: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "address" in cls.__dict__:
            ENDPOINTS.append(cls)

    # The caller

    @property
    def caller(self) -> Caller:
        caller: Caller = self.request.user  # type: ignore[assignment]
        return caller

    @property
    def seller(self) -> Seller:
        return self.caller.seller

    @property
    def actor(self) -> str:
        return self.caller.actor

    @cached_property
    def today(self) -> date:
        """The seller's day, read once for the request."""
        return today_of(self.seller)

    # What was sent

    def sent(self, writing: type[Writing], *, is_partial: bool = False) -> dict[str, Any]:
        """The body as the serializer takes it; raises what is wrong with it, field by field."""
        asked = writing(data=self.request.data, partial=is_partial)
        asked.is_valid(raise_exception=True)
        return asked.validated_data

    @cached_property
    def expand(self) -> frozenset[str]:
        """The references to show whole. What a key may not see by itself, it may not see here."""
        asked = self.request.query_params.get("expand")
        if not asked or self.reading is None:
            return frozenset()
        paths = expansion(self.reading, asked)
        for path, scope in self.reading.scopes_of(paths).items():
            if scope not in self.caller.scopes:
                raise ApiError(
                    403,
                    "scope_missing",
                    f"This key has not the scope {scope}, which “{path}” takes.",
                    attr="expand",
                )
        return paths

    def show(self, instance: Any) -> dict[str, Any]:
        assert self.reading is not None
        return self.reading.show(instance, self.expand)

    def loaded(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Rows with all that is shown of them."""
        assert self.reading is not None
        return self.reading.loaded(rows, self.expand)

    # How a request is met

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        check_length(request.META)
        super().initial(request, *args, **kwargs)
        check_path(kwargs)
        if request.META.get("QUERY_STRING"):
            check_query(request._request.GET, self.known_parameters())

    @classmethod
    def is_for_pages(cls) -> bool:
        """Whether a shop's own pages may ask it from the browser, with a publishable key."""
        return not cls.needs_secret_key and not PUBLISHABLE.isdisjoint(cls.scopes.values())

    def known_parameters(self) -> frozenset[str]:
        return self.parameters | {"expand"} if self.reading else self.parameters

    @property
    def allowed_methods(self) -> list[str]:
        head = ["HEAD"] if "GET" in self.scopes else []
        return [*self.scopes, *head, *(["OPTIONS"] if self.is_for_pages() else [])]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Meet a request, and say in English what came of it, whatever language it asks for."""
        with translation.override(LANGUAGE):
            answer = self._answer(request, *args, **kwargs)
        answer.headers["Content-Language"] = LANGUAGE
        return answer

    def _answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.args, self.kwargs, self.headers = args, kwargs, {}
        self.request = asked = self.initialize_request(request, *args, **kwargs)
        if request.method == "OPTIONS" and self.is_for_pages():
            return for_pages(nothing(), self.scopes)
        try:
            self.initial(asked, *args, **kwargs)
            name = (request.method or "").lower()
            is_known = name in self.http_method_names
            handler = getattr(self, name, None) if is_known else None
            response = self._meet(handler or self.http_method_not_allowed)
        except Exception as error:
            response = self.handle_exception(error)
        final: Any = response
        final = self.finalize_response(asked, final, *args, **kwargs)
        final.headers["Cache-Control"] = "no-store"
        if limit := getattr(asked, "limit", None):
            for name, value in limit.headers().items():
                final.headers[name] = value
        return for_pages(final, self.scopes) if self.is_for_pages() else final

    def _meet(self, handler: Callable[..., Any]) -> HttpResponseBase:
        request = self.request
        if request.method in READS:
            return handler(request, **self.kwargs)
        if request.method != "POST":
            with one_transaction():
                return handler(request, **self.kwargs)
        given = request.META.get("HTTP_IDEMPOTENCY_KEY")
        key = idempotency.key_of(given, is_required=self.needs_key)
        if key is None:
            return self._work(handler)
        path = request._request.get_full_path()
        fingerprint = idempotency.fingerprint_of("POST", path, request._request.body)
        claimed = idempotency.claim(
            self.caller.owner_id, key, fingerprint, clock.now(), is_secret=self.is_secret
        )
        if isinstance(claimed, HttpResponse):
            return claimed
        return self._once(handler, claimed)

    def _work(self, handler: Callable[..., Any], claim: Claim | None = None) -> HttpResponse:
        if not self.is_atomic:
            response: HttpResponse = handler(self.request, **self.kwargs)
            if claim:
                claim.keep(response.status_code, response.content.decode())
            return response
        with one_transaction():
            response = handler(self.request, **self.kwargs)
            if claim and not claim.keep(response.status_code, response.content.decode()):
                raise ApiError(409, "request_in_progress", "Another request took this over.")
        return response

    def _once(self, handler: Callable[..., Any], claim: Claim) -> HttpResponseBase:
        """Do it, and keep what was answered: with the work, or once the work is undone."""
        try:
            return self._work(handler, claim)
        except Exception as error:
            refused = self.handle_exception(error)
            response = self.finalize_response(self.request, refused)
            response.render()
            if self._is_final(response.status_code, error):
                claim.keep(response.status_code, response.content.decode())
            else:
                claim.release()
            return response

    def _is_final(self, status: int, error: Exception) -> bool:
        """Whether a refusal says what was done: a payment that was tried and failed.

        Whatever else is refused was rolled back, or nothing was begun.
        """
        is_tried = isinstance(error, APIException) and error.get_codes() == TRIED
        return is_tried and not self.is_atomic and status == 402


class Listing(Endpoint):
    """An address that lists what a seller has: filtered, in pages, newest first."""

    pagination_class = Cursor
    filter_backends = (BACKEND,)
    filterset_class: ClassVar[type[Filters] | None] = None

    def rows(self) -> QuerySet[Any]:
        raise NotImplementedError

    @classmethod
    def get_queryset(cls) -> QuerySet[Any]:
        """For the schema, which reads the filters' types off a model."""
        assert cls.filterset_class is not None
        model: Any = cls.filterset_class._meta.model
        return model._default_manager.none()

    def known_parameters(self) -> frozenset[str]:
        known = super().known_parameters()
        if self.request.method not in READS:
            return known
        return known | LISTED | frozenset(self.filters())

    @classmethod
    def filters(cls) -> Mapping[str, Any]:
        return cls.filterset_class.base_filters if cls.filterset_class else {}

    def page(self) -> HttpResponse:
        """One page of what was asked for."""
        query = self.request._request.GET
        rows = self.loaded(self.rows())
        if self.filterset_class:
            rows = self.filterset_class.applied(query, rows, self.request)
        pages = Cursor()
        found = pages.paginate_queryset(rows, self.request)
        assert self.reading is not None
        self.reading.look_up_rare(found)
        return reply(
            {
                "next": pages.get_next_link(),
                "previous": pages.get_previous_link(),
                "results": [self.show(row) for row in found],
            }
        )


class NoSuchAddress(Endpoint):
    """Whatever else is asked for under /api/v1/."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def _answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.args, self.kwargs, self.headers = args, kwargs, {}
        self.request = self.initialize_request(request)
        return self.finalize_response(self.request, self.handle_exception(not_found("address")))
