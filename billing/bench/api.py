"""How fast the API answers, beside bare DRF views over one model, on one server in one run.

Both go through the same gunicorn with one worker, the same middleware and the same connection, and
take turns. The bare views have no key, no scope, no budget, no filters, pages or repeats to look
after: a model serializer over the columns that the API shows of a customer.
"""

import http.client
import json
import multiprocessing
import os
import signal
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import truediv
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import include, path
from gunicorn.app.base import BaseApplication
from rest_framework import generics, serializers

from billing.api.keys import make_key
from billing.api.models import ApiKey
from billing.bench.company import in_own_database, make_seller, settle
from catalog.models import Price
from customers.models import Customer

ROUNDS = 7
LISTED = 20
WARM_UPS = 3
HEADERS = {"Content-Type": "application/json"}
SHOWN = (
    "public_id external_id name email is_business address_line1 address_line2 postal_code city "
    "country language vat_number organisation_number net_terms_days collection is_consolidated "
    "metadata recorded_at"
).split()


@dataclass
class ApiFigures:
    """Requests a second, medians of the rounds; a share is ours of the bare view's beside it.

    ``start_share`` is of the bare view that also takes a POST and writes a row,
    ``start_share_of_read`` of the one that reads an object.
    """

    one_share: float
    list_share: float
    start_share: float
    start_share_of_read: float
    one_per_s: float
    list_per_s: float
    start_per_s: float
    bare_one_per_s: float
    bare_list_per_s: float
    bare_create_per_s: float


# The bare views


class BareSerializer(serializers.ModelSerializer[Customer]):
    class Meta:
        model = Customer
        fields = SHOWN


class Bare(generics.GenericAPIView[Customer]):
    authentication_classes = ()
    permission_classes = ()
    queryset = Customer.objects.order_by("-id")
    serializer_class = BareSerializer


class BareOne(Bare, generics.RetrieveAPIView[Customer]):
    lookup_field = "public_id"


class BareMany(Bare, generics.ListCreateAPIView[Customer]):
    def filter_queryset(self, queryset: Any) -> Any:
        return queryset[:LISTED]

    def perform_create(self, serializer: Any) -> None:
        serializer.save(seller_id=self.kwargs["seller"])


urlpatterns = [
    path("bare/<int:seller>/customers", BareMany.as_view()),
    path("bare/<int:seller>/customers/<str:public_id>", BareOne.as_view()),
    path("", include("billing.urls")),
]


# The server


class _Handler(WSGIHandler):
    """The house's own application, with the bare views beside its addresses."""

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        request.urlconf = __name__
        return super().get_response(request)


class _Server(BaseApplication):
    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        super().__init__()

    def load_config(self) -> None:
        for name, value in {
            "bind": [f"fd://{self.listener.fileno()}"],
            "workers": 1,
            # Of gunicorn's, the plainest worker that keeps a connection.
            "worker_class": "gthread",
            "threads": 1,
            "keepalive": 60,
            "loglevel": "error",
            "accesslog": None,
            "control_socket_disable": True,
        }.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Callable[..., Any]:
        return _Handler()


@contextmanager
def _served() -> Iterator[http.client.HTTPConnection]:
    """A connection to a server in a process of its own, on a port of its choice."""
    connection.close()
    listener = socket.create_server(("127.0.0.1", 0))
    # Or each answer waits for an acknowledgement of its head before its body is sent.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    port = listener.getsockname()[1]
    server = multiprocessing.get_context("fork").Process(target=_serve, args=(listener,))
    server.start()
    listener.close()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        yield client
    finally:
        client.close()
        assert server.pid
        os.kill(server.pid, signal.SIGTERM)
        server.join()


def _serve(listener: socket.socket) -> None:
    _Server(listener).run()


# Measuring


def measure_api(count: int, *, on_step: Callable[[str], None] = lambda step: None) -> ApiFigures:
    """Ask each way ``count`` times in all, in rounds that take turns. Needs its own database."""
    each = max(1, count // ROUNDS)
    with in_own_database():
        needed = each * ROUNDS + WARM_UPS
        on_step(f"Making {needed} customers")
        seller = make_seller(needed, name="API")
        customers = list(Customer.objects.values_list("public_id", flat=True))
        # The usual first bill: one price in advance.
        Price.objects.filter(meter="calls").update(is_active=False)
        key, text = make_key(seller, name="Bench", actor="bench")
        ApiKey.objects.filter(pk=key.pk).update(burst=10**6, tokens=10**6, per_s=10**6)
        # Without statistics PostgreSQL would sort all customers for each list.
        settle()
        with _served() as client:
            ask = _Asking(client, seller.pk, text, customers)
            ask.warm_up()
            rates: dict[str, list[float]] = {}
            for number in range(1, ROUNDS + 1):
                on_step(f"round {number} of {ROUNDS}")
                for name, work in ask.ways():
                    rates.setdefault(name, []).append(_rate(work, each))
    return _figures(rates)


def _rate(work: Callable[[], object], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        work()
    return times / (time.perf_counter() - began)


def _figures(rates: dict[str, list[float]]) -> ApiFigures:
    def share(ours: str, bare: str) -> float:
        return round(statistics.median(map(truediv, rates[ours], rates[bare])), 3)

    middle = {name: round(statistics.median(found), 1) for name, found in rates.items()}
    return ApiFigures(
        one_share=share("one", "bare_one"),
        list_share=share("list", "bare_list"),
        start_share=share("start", "bare_create"),
        start_share_of_read=share("start", "bare_one"),
        **{f"{name}_per_s": rate for name, rate in middle.items()},
    )


class _Asking:
    """Requests of each kind over one connection that stays open."""

    def __init__(
        self, client: http.client.HTTPConnection, seller_id: int, key: str, customers: list[str]
    ) -> None:
        self.client = client
        self.bare = f"/bare/{seller_id}/customers"
        self.ours = HEADERS | {"Authorization": f"Bearer {key}"}
        self.one = customers[0]
        self.waiting = iter(customers)
        self.number = 0

    def ways(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Each way beside the one that it is measured by."""
        yield "bare_one", lambda: self.ask("GET", f"{self.bare}/{self.one}", HEADERS)
        yield "one", lambda: self.ask("GET", f"/api/v1/customers/{self.one}", self.ours)
        yield "bare_list", lambda: self.ask("GET", self.bare, HEADERS)
        yield "list", lambda: self.ask("GET", "/api/v1/customers", self.ours)
        yield "bare_create", self.create
        yield "start", self.start

    def warm_up(self) -> None:
        for _ in range(WARM_UPS):
            for _, work in self.ways():
                work()

    def create(self) -> object:
        return self.ask("POST", self.bare, HEADERS, {"name": "Bench"})

    def start(self) -> object:
        self.number += 1
        headers = self.ours | {"Idempotency-Key": str(self.number)}
        asked = {"customer": next(self.waiting), "plan": "bench"}
        return self.ask("POST", "/api/v1/subscriptions", headers, asked)

    def ask(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> bytes:
        sent = None if body is None else json.dumps(body)
        self.client.request(method, path, sent, headers)
        answer = self.client.getresponse()
        read = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path} was answered {answer.status}: {read[:500]!r}")
        return read
