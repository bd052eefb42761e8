import sqlite3
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import requests

from billing.sandbox.words import ENGLISH, SWEDISH, amount_text
from tests.sandbox.process import RunningSandbox, hidden_fields, running_sandbox

NEEDS_ACTION = "4000002500003155"
DECLINED = "4000000000000002"
SHOP = "http://127.0.0.1:9/back?lang=sv#paid"


def open_session(sandbox: RunningSandbox, reference: str, **changed: Any) -> dict[str, Any]:
    customer = {"reference": reference, "name": changed.pop("name", "Åsa Öberg")}
    body = {
        "kind": "payment",
        "customer": sandbox.post("/customers", customer).json()["id"],
        "amount_minor": 123450,
        "currency": "SEK",
        "reference": reference,
        "return_url": SHOP,
        "locale": "sv",
    } | changed
    if body["kind"] == "setup":
        del body["amount_minor"], body["currency"]
    opened: dict[str, Any] = sandbox.post("/sessions", body).json()
    return opened


def session(sandbox: RunningSandbox, opened: dict[str, Any]) -> dict[str, Any]:
    now: dict[str, Any] = sandbox.get(f"/sessions/{opened['id']}").json()
    return now


def charges(sandbox: RunningSandbox, reference: str) -> list[Any]:
    data: list[Any] = sandbox.get("/charges", reference=reference).json()["data"]
    return data


def back_at_shop(opened: dict[str, Any]) -> str:
    return f"http://127.0.0.1:9/back?lang=sv&session={opened['id']}#paid"


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found = list[tuple[str, dict[str, str | None]]]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_who_pays_is_sent_back_to_the_shop(sandbox: RunningSandbox) -> None:
    opened = open_session(sandbox, "pays")
    assert (opened["status"], opened["charge"]) == ("open", None)
    page = requests.get(opened["url"], timeout=10)
    assert "1\u00a0234,50\u00a0kr" in page.text
    assert "Åsa Öberg" in page.text
    sent = sandbox.fill_in(opened["url"], exp_month="3", exp_year="49")
    assert (sent.status_code, sent.headers["Location"]) == (303, back_at_shop(opened))
    (charge,) = charges(sandbox, "pays")
    assert (charge["status"], charge["amount_minor"]) == ("succeeded", 123450)
    done = session(sandbox, opened)
    assert (done["status"], done["charge"]) == ("complete", charge["id"])
    method = sandbox.get(f"/payment_methods/{done['payment_method']}").json()
    assert (method["exp_month"], method["exp_year"], method["last4"]) == (3, 2049, "4242")


def test_who_saves_a_card_is_charged_nothing(sandbox: RunningSandbox) -> None:
    opened = open_session(sandbox, "saves", kind="setup", return_url="https://shop.example")
    sent = sandbox.fill_in(opened["url"], NEEDS_ACTION)
    assert sent.headers["Location"] == f"https://shop.example?session={opened['id']}"
    done = session(sandbox, opened)
    assert (done["status"], done["charge"]) == ("complete", None)
    assert done["payment_method"].startswith("pm_")
    assert charges(sandbox, "saves") == []


def test_a_form_sent_twice_is_one_payment(sandbox: RunningSandbox) -> None:
    opened = open_session(sandbox, "double")
    form = hidden_fields(requests.get(opened["url"], timeout=10).text)
    form |= {"card_number": "4242424242424242", "exp_month": "12", "exp_year": "2049"}

    def send(_: int) -> requests.Response:
        return requests.post(opened["url"], data=form, timeout=10, allow_redirects=False)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(8)))
    assert {answer.headers["Location"] for answer in answers} == {back_at_shop(opened)}
    assert len(charges(sandbox, "double")) == 1


def test_a_declined_form_sent_twice_is_tried_once(sandbox: RunningSandbox) -> None:
    opened = open_session(sandbox, "declined-twice")
    form = hidden_fields(requests.get(opened["url"], timeout=10).text)
    form |= {"card_number": DECLINED, "exp_month": "12", "exp_year": "2049"}
    for _ in range(2):
        page = requests.post(opened["url"], data=form, timeout=10)
        assert SWEDISH["failed_card_declined"] in page.text
    assert len(charges(sandbox, "declined-twice")) == 1
    assert sandbox.fill_in(opened["url"]).headers["Location"] == back_at_shop(opened)
    assert session(sandbox, opened)["status"] == "complete"
    statuses = [charge["status"] for charge in charges(sandbox, "declined-twice")]
    assert statuses == ["failed", "succeeded"]


@pytest.mark.parametrize("token", ["", "wrong", "å", "\ud800"])
def test_a_form_from_elsewhere_is_refused(sandbox: RunningSandbox, token: str) -> None:
    opened = open_session(sandbox, "forged")
    form = hidden_fields(requests.get(opened["url"], timeout=10).text)
    form |= {"card_number": "4242424242424242", "exp_month": "12", "exp_year": "2049"}
    for forged in (form | {"form_token": token.encode("utf-8", "surrogatepass")}, {}):
        refused = requests.post(opened["url"], data=forged, timeout=10, allow_redirects=False)
        assert refused.status_code == 403
        assert SWEDISH["stale_title"] in refused.text
    assert charges(sandbox, "forged") == []
    assert session(sandbox, opened)["status"] == "open"


def test_the_token_of_one_page_is_none_for_another(sandbox: RunningSandbox) -> None:
    ours, theirs = (open_session(sandbox, "tokens") for _ in range(2))
    form = hidden_fields(requests.get(ours["url"], timeout=10).text)
    form |= {"card_number": "4242424242424242", "exp_month": "12", "exp_year": "2049"}
    assert requests.post(theirs["url"], data=form, timeout=10).status_code == 403
    assert charges(sandbox, "tokens") == []


@pytest.mark.parametrize(
    ("number", "fields", "code"),
    [
        ("", {}, "card_number_missing"),
        ("4242", {}, "card_number_invalid"),
        ("4111 1111 1111 1111", {}, "card_number_unknown"),
        ("4242424242424242", {"exp_month": "13"}, "exp_month"),
        ("4242424242424242", {"exp_month": ""}, "exp_month"),
        ("4242424242424242", {"exp_year": "x"}, "exp_year"),
        ("4242424242424242", {"exp_year": "2019"}, "expired"),
        ("4242424242424242", {"exp_month": "1", "exp_year": "20"}, "expired"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    sandbox: RunningSandbox, number: str, fields: dict[str, str], code: str
) -> None:
    opened = open_session(sandbox, "wrong", locale="en")
    page = sandbox.fill_in(opened["url"], number, **fields)
    assert page.status_code == 422
    assert ENGLISH[f"wrong_{code}"] in page.text
    (wrong,) = [a for tag, a in Tags(page.text).found if a.get("aria-invalid") == "true"]
    assert f'id="{wrong["aria-describedby"]}"' in page.text
    assert not number or f'value="{number}"' not in page.text
    assert charges(sandbox, "wrong") == []


@pytest.mark.parametrize(
    ("told", "named"), [({"shop": "Rosteriet & co"}, "Rosteriet &amp; co"), ({}, "127.0.0.1:9")]
)
def test_a_page_names_the_shop_or_its_address_where_it_told_no_name(
    sandbox: RunningSandbox, told: dict[str, str], named: str
) -> None:
    opened = open_session(sandbox, "named", locale="en", **told)
    page = requests.get(opened["url"], timeout=10)
    assert f"To pay to {named}" in page.text
    assert f"Cancel and go back to {named}" in page.text


def test_names_are_shown_as_they_are_and_never_as_markup(sandbox: RunningSandbox) -> None:
    name = "\"><script>alert(1)</script>{0}{form_token}' & co"
    shop = "https://shop.example/?a='&b=%22%3E(x)"
    opened = open_session(sandbox, name, name=name, return_url=shop, locale="en")
    for number in (None, DECLINED, NEEDS_ACTION):
        if number:
            sandbox.fill_in(opened["url"], number)
        page = requests.get(opened["url"], timeout=10)
        tags = Tags(page.text).found
        assert {tag for tag, _ in tags} & {"script", "style"} == set()
        assert all(not name.startswith("on") and name != "style" for _, a in tags for name in a)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{0}{form_token}&#x27; &amp; co" in page.text
        assert "<script" not in page.text
    page = requests.get(opened["url"], timeout=10)
    links = [a["href"] for tag, a in Tags(page.text).found if tag == "a"]
    assert links in ([], [f"{shop}&session={opened['id']}"])


@pytest.mark.parametrize(
    "return_url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//shop.example",
        "/back",
        "https://shop.example/\r\nSet-Cookie: a=b",
        "https://shop.example; script-src *",
        "https://user@shop.example/",
        "https://shop.example/ x",
    ],
)
def test_nobody_is_sent_anywhere_but_to_a_shop(sandbox: RunningSandbox, return_url: str) -> None:
    refused = open_session(sandbox, "return", return_url=return_url)
    assert refused["error"]["field"] == "return_url"


def test_a_page_loads_nothing_from_elsewhere_and_keeps_to_itself(sandbox: RunningSandbox) -> None:
    opened = open_session(sandbox, "policy", return_url="https://shop.example:8443/back")
    waiting = open_session(sandbox, "policy-2")
    act = sandbox.url + sandbox.fill_in(waiting["url"], NEEDS_ACTION).headers["Location"]
    for url, shop in ((opened["url"], "https://shop.example:8443"), (act, "http://127.0.0.1:9")):
        page = requests.get(url, timeout=10)
        policy = dict(
            rule.split(" ", 1) for rule in page.headers["Content-Security-Policy"].split("; ")
        )
        assert policy == {
            "default-src": "'none'",
            "style-src": "'self'",
            "font-src": "'self'",
            "img-src": "'self'",
            "form-action": f"'self' {shop}",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        for tag, attributes in Tags(page.text).found:
            assert tag not in ("script", "style", "iframe")
            if tag == "link":
                loaded = requests.get(sandbox.url + str(attributes["href"]), timeout=10)
                assert loaded.status_code == 200
    assert (
        requests.get(f"{sandbox.url}/style.css", timeout=10)
        .headers["Content-Type"]
        .startswith("text/css")
    )


def test_a_page_that_has_done_its_work_says_so(sandbox: RunningSandbox) -> None:
    opened = open_session(sandbox, "done")
    sandbox.fill_in(opened["url"])
    page = requests.get(opened["url"], timeout=10)
    assert page.status_code == 200
    assert SWEDISH["complete_title"] in page.text
    assert "<form" not in page.text
    refused = sandbox.post(f"/sessions/{opened['id']}/expire", {})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "session_is_complete")


def test_a_page_that_was_closed_takes_no_money(sandbox: RunningSandbox) -> None:
    opened = open_session(sandbox, "closed", locale="en-GB")
    form = hidden_fields(requests.get(opened["url"], timeout=10).text)
    for _ in range(2):
        expired = sandbox.post(f"/sessions/{opened['id']}/expire", {})
        assert (expired.status_code, expired.json()["status"]) == (200, "expired")
    form |= {"card_number": "4242424242424242", "exp_month": "12", "exp_year": "2049"}
    for method in ("GET", "POST"):
        page = requests.request(method, opened["url"], data=form, timeout=10)
        assert page.status_code == 200
        assert ENGLISH["expired_title"] in page.text
        assert "<form" not in page.text
    assert charges(sandbox, "closed") == []


def test_a_page_closes_by_itself_after_a_day(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        opened = open_session(sandbox, "day")
        sent = sandbox.fill_in(opened["url"], NEEDS_ACTION)
        sandbox.stop()
        with sqlite3.connect(sandbox.database) as db:
            (created_at, expires_at) = db.execute(
                "SELECT created_at, expires_at FROM sessions"
            ).fetchone()
            assert created_at[:10] < expires_at[:10]
            assert created_at[11:19] <= expires_at[11:19]
            db.execute("UPDATE sessions SET expires_at = created_at")
        db.close()
        sandbox.start()
        assert session(sandbox, opened)["status"] == "expired"
        assert [charge["status"] for charge in charges(sandbox, "day")] == ["canceled"]
        types = [event["type"] for event in sandbox.get("/events").json()["data"]]
        assert types == ["charge.requires_action", "charge.canceled", "session.expired"]
        act = requests.get(sandbox.url + sent.headers["Location"], timeout=10)
        assert SWEDISH["settled_canceled_title"] in act.text


def test_there_is_no_page_for_what_is_not_there(sandbox: RunningSandbox) -> None:
    for path in ("/pay/ss_nothing", "/act/ch_nothing", "/pay/", "/pay/a/b", "/", "/style.css/x"):
        for method in ("GET", "POST"):
            page = requests.request(method, sandbox.url + path, timeout=10)
            assert page.status_code == 404
            assert ENGLISH["unknown_title"] in page.text
    swedish = requests.get(
        f"{sandbox.url}/pay/x", headers={"Accept-Language": "sv-SE,sv;q=0.9"}, timeout=10
    )
    assert SWEDISH["unknown_title"] in swedish.text
    assert requests.put(f"{sandbox.url}/pay/x", timeout=10).status_code == 405


def test_the_bank_asks_and_the_first_answer_counts(sandbox: RunningSandbox) -> None:
    opened = open_session(sandbox, "approved")
    sent = sandbox.fill_in(opened["url"], NEEDS_ACTION)
    (charge,) = charges(sandbox, "approved")
    assert charge["action_url"] == sandbox.url + sent.headers["Location"]
    assert requests.get(opened["url"], timeout=10).url == charge["action_url"]
    form = hidden_fields(requests.get(charge["action_url"], timeout=10).text)
    for decision in ("approve", "refuse"):
        answer = requests.post(
            charge["action_url"],
            data=form | {"decision": decision},
            timeout=10,
            allow_redirects=False,
        )
        assert (answer.status_code, answer.headers["Location"]) == (303, back_at_shop(opened))
    (charge,) = charges(sandbox, "approved")
    assert (charge["status"], charge["failure_code"]) == ("succeeded", None)
    assert session(sandbox, opened)["status"] == "complete"
    types = [
        event["type"]
        for event in sandbox.get("/events").json()["data"]
        if event["object"]["reference"] == "approved"
    ]
    assert types == ["charge.requires_action", "charge.succeeded", "session.completed"]


def test_who_refuses_at_the_bank_can_try_another_card(sandbox: RunningSandbox) -> None:
    opened = open_session(sandbox, "refused")
    act = sandbox.url + sandbox.fill_in(opened["url"], NEEDS_ACTION).headers["Location"]
    back = sandbox.decide(act, "refuse")
    assert back.headers["Location"] == f"/pay/{opened['id']}"
    assert SWEDISH["failed_authentication_failed"] in requests.get(opened["url"], timeout=10).text
    assert SWEDISH["settled_failed_title"] in requests.get(act, timeout=10).text
    (charge,) = charges(sandbox, "refused")
    assert (charge["status"], charge["failure_code"]) == ("failed", "authentication_failed")
    assert sandbox.fill_in(opened["url"]).headers["Location"] == back_at_shop(opened)


def test_the_bank_is_asked_about_a_charge_of_no_page_too(sandbox: RunningSandbox) -> None:
    customer, method = sandbox.card("off-page", NEEDS_ACTION)
    asked = {"customer": customer, "payment_method": method, "reference": "off-page"}
    body = asked | {"amount_minor": 500, "currency": "EUR"}
    charge = sandbox.post("/charges", body).json()
    for form in ({"decision": "approve"}, {"form_token": "wrong", "decision": "approve"}):
        assert requests.post(charge["action_url"], data=form, timeout=10).status_code == 403
    assert sandbox.decide(charge["action_url"], "perhaps").status_code == 403
    assert charges(sandbox, "off-page") == [charge]
    answer = sandbox.decide(charge["action_url"])
    assert answer.headers["Location"] == f"/act/{charge['id']}"
    page = requests.get(charge["action_url"], timeout=10)
    assert ENGLISH["settled_succeeded"].format(amount="€5.00") in page.text
    assert charges(sandbox, "off-page")[0]["status"] == "succeeded"


def test_both_languages_say_everything() -> None:
    assert SWEDISH.keys() == ENGLISH.keys()
    for name, english in ENGLISH.items():
        assert ("{shop}" in english, "{amount}" in english) == (
            "{shop}" in SWEDISH[name],
            "{amount}" in SWEDISH[name],
        ), name


@pytest.mark.parametrize(
    ("amount_minor", "currency", "english", "swedish"),
    [
        (123450, "SEK", "SEK 1,234.50", "1 234,50 kr"),
        (5, "EUR", "€0.05", "0,05 €"),
        (100000000, "GBP", "£1,000,000.00", "1 000 000,00 GBP"),
        (1234, "JPY", "JPY 1,234", "1 234 JPY"),
        (1234, "KWD", "KWD 1.234", "1,234 KWD"),
    ],
)
def test_amounts_are_written_as_each_language_does(
    amount_minor: int, currency: str, english: str, swedish: str
) -> None:
    assert amount_text(amount_minor, currency, "en") == english.replace(" ", "\u00a0")
    assert amount_text(amount_minor, currency, "sv") == swedish.replace(" ", "\u00a0")
