"""The renderer's process: what it is held to, and that whoever prints outlives it."""

import contextlib
import gc
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.invoicing import printing, qr
from billing.invoicing.models import Invoice
from billing.invoicing.printing import Renderer, RenderingFailed, print_html, print_measured
from tests.factories import DAY, InvoiceFactory

PAGE = "<!DOCTYPE html><html lang=en><head><title>One</title></head><body><p>One</p></body></html>"


def renderer_pid() -> int:
    print_html(PAGE)
    process = printing._renderer.process
    assert process is not None
    return process.pid


def test_a_page_comes_back_as_pdf_and_as_the_same_bytes_from_another_process() -> None:
    first, before = print_html(PAGE), renderer_pid()
    assert printing._renderer.process is not None
    os.kill(before, signal.SIGKILL)
    printing._renderer.process.wait()
    assert first.startswith(b"%PDF-")
    assert print_html(PAGE) == first
    assert renderer_pid() != before


def test_a_renderer_that_is_killed_at_work_is_told_of_and_replaced() -> None:
    renderer = Renderer()
    renderer.print(PAGE.encode())
    assert renderer.process is not None
    threading.Timer(0.3, renderer.process.kill).start()
    many = "<p>Kaffe</p>" * 20_000
    with pytest.raises(RenderingFailed) as failed:
        renderer.print(many.encode())
    assert failed.value.code == "renderer_lost"
    assert renderer.print(PAGE.encode()).pdf.startswith(b"%PDF-")
    renderer.stop()


def test_a_page_that_takes_too_long_is_refused_and_the_next_one_printed() -> None:
    renderer = Renderer(cpu_seconds=1)
    with pytest.raises(RenderingFailed) as failed:
        renderer.print(("<p>Kaffe</p>" * 60_000).encode())
    assert failed.value.code == "page_too_large"
    assert "stays valid" in failed.value.message
    assert renderer.print(PAGE.encode()).pdf.startswith(b"%PDF-")
    renderer.stop()


def test_a_page_that_is_nested_too_deep_is_refused() -> None:
    with pytest.raises(RenderingFailed) as failed:
        print_html("<div>" * 5_000 + "x")
    assert failed.value.code in {"page_too_large", "renderer_lost"}
    assert print_html(PAGE).startswith(b"%PDF-")


def test_a_renderer_is_replaced_after_its_number_of_pages() -> None:
    renderer = Renderer(pages_max=2)
    pids = set()
    for _ in range(4):
        renderer.print(PAGE.encode())
        assert renderer.process is not None
        pids.add(renderer.process.pid)
    assert len(pids) == 2
    renderer.stop()


def test_threads_take_turns() -> None:
    made: list[bytes] = []
    threads = [threading.Thread(target=lambda: made.append(print_html(PAGE))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1


def test_a_forked_worker_starts_a_renderer_of_its_own_and_leaves_its_parents() -> None:
    parents = renderer_pid()
    child = os.fork()
    if child == 0:
        is_well = False
        try:
            is_well = renderer_pid() != parents
            printing._renderer.stop()
        finally:
            os._exit(0 if is_well else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert renderer_pid() == parents


def test_the_renderer_gets_nothing_secret_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KVITT_SECRET_KEY", "a-secret-of-ours")
    renderer = Renderer()
    renderer.print(PAGE.encode())
    assert renderer.process is not None
    environment = Path(f"/proc/{renderer.process.pid}/environ")
    if environment.exists():
        assert b"a-secret-of-ours" not in environment.read_bytes()
    assert "KVITT_SECRET_KEY" not in printing._ENVIRONMENT
    renderer.stop()


def test_what_printing_took_is_told() -> None:
    assert 20_000_000 < print_measured(PAGE).peak_bytes < 1_600_000_000


# Documents that cannot be printed


@pytest.fixture
def broken_template(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "invoicing").mkdir()
    (tmp_path / "invoicing" / "invoice.html").write_text("{% if %}")
    (engine,) = settings.TEMPLATES
    settings.TEMPLATES = [engine | {"DIRS": [tmp_path, *engine["DIRS"]]}]


@pytest.mark.django_db
def test_a_broken_template_is_named_and_the_document_stays_as_it_is(
    broken_template: None, admin_client: Client
) -> None:
    invoice = InvoiceFactory()
    page = admin_client.get(reverse("admin:invoicing_invoice_pdf", args=[invoice.pk]), follow=True)
    (message,) = page.context["messages"]
    assert "invoicing/invoice.html is broken" in str(message)
    assert Invoice.objects.get(pk=invoice.pk).status == invoice.status


# The square to pay by


def demand(currency: str, **letterhead: str) -> qr.Demand:
    seller = {"legal_name": "Kvarnby Kafferosteri AB", "country": "SE", "org": "559900-0014"}
    return qr.Demand(seller | letterhead, currency, 296_065, "100263", DAY, DAY)


def test_kronor_are_asked_for_as_swedish_banks_read_it() -> None:
    assert qr.payload_of(demand("SEK", bankgiro="5050-1055")) == (
        '{"uqr":1,"tp":1,"nme":"Kvarnby Kafferosteri AB","cc":"SE","cid":"559900-0014",'
        '"iref":"100263","idt":"20260301","ddt":"20260301","due":2960.65,"cur":"SEK",'
        '"pt":"BG","acc":"5050-1055"}'
    )


def test_euro_are_asked_for_by_the_guideline_of_the_european_payments_council() -> None:
    said = qr.payload_of(demand("EUR", iban="SE45 5000 0000 0583 9825 7466", bic="ESSESESS"))
    assert said.split("\n") == [
        *("BCD", "002", "1", "SCT", "ESSESESS", "Kvarnby Kafferosteri AB"),
        *("SE4550000000058398257466", "EUR2960.65", "", "", "100263"),
    ]


@pytest.mark.parametrize(
    ("currency", "letterhead"),
    [
        ("USD", {"iban": "SE4550000000058398257466"}),
        ("EUR", {"iban": "SE4550000000058398257467"}),
        ("SEK", {"bankgiro": "5050-1056"}),
        ("SEK", {}),
    ],
)
def test_where_no_app_would_know_what_to_do_there_is_no_square(
    currency: str, letterhead: dict[str, str]
) -> None:
    assert qr.payload_of(demand(currency, **letterhead)) == ""
    assert qr.picture_of("") == ""


def test_a_child_closes_its_parents_pipes_once() -> None:
    renderer = Renderer()
    renderer.print(b"<p>Hello</p>")
    process = renderer.process
    assert process
    assert process.stdin
    number = process.stdin.fileno()
    child = os.fork()
    if not child:
        renderer.abandon()
        # Another gets the number at once; the pipe's file object, forgotten, must leave it alone.
        other = os.dup2(1, number)
        del process, renderer
        gc.collect()
        with contextlib.suppress(OSError):
            os.fstat(other)
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    renderer.stop()
