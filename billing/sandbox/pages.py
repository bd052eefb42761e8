"""The hosted pages: a form for a card, and the bank that asks its cardholder.

Whoever has the address of a page may use it. Each form carries its row's own token, so that no
other page can send it for them; one that comes twice changes nothing the second time.
"""

import hmac
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from . import cards
from .fields import origin
from .gateway import Gateway, Row
from .refusals import Refusal
from .replies import Reply, Request
from .store import instant
from .words import LANGUAGES, amount_text

HERE = Path(__file__).parent
# Kvitt's own, where they are at hand; without them the browser takes the system's.
FONTS = HERE.parents[1] / "static" / "fonts"
FILES: Final = {
    "/style.css": Reply(200, (HERE / "style.css").read_bytes(), "text/css; charset=utf-8"),
    "/icon.svg": Reply(200, (HERE / "icon.svg").read_bytes(), "image/svg+xml"),
    **{
        f"/{font.name}": Reply(200, font.read_bytes(), "font/woff2")
        for font in FONTS.glob("inter-latin-*.woff2")
    },
}
ADDRESS: Final = re.compile(r"/(?P<page>pay|act)/(?P<id>[A-Za-z0-9_]{1,80})")
FORM_FIELDS_MAX: Final = 20


class Html(str):
    """Text that is markup already; all other text is escaped where it is filled in."""


def _fill(template: str, **values: object) -> Html:
    return Html(
        template.format_map(
            {
                name: value if isinstance(value, Html) else html.escape(str(value))
                for name, value in values.items()
            }
        )
    )


PAGE: Final = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<p class="test-mode"><b>{test_mode}</b> – {no_money}</p>
<main class="{shape}">
{content}
</main>
</body>
</html>
"""
SUMMARY: Final = """<section class="summary">
<p class="to">{to}</p>
<h1>{title}</h1>
<dl>{facts}</dl>
</section>
"""
FACT: Final = "<div><dt>{name}</dt><dd><bdi>{value}</bdi></dd></div>\n"
CARD_FORM: Final = """<form method="post" class="paper" novalidate>
<input type="hidden" name="form_token" value="{form_token}">
<input type="hidden" name="attempt" value="{attempt}">
{failure}
<div class="field">
<label for="card_number">{card_number}</label>
<input id="card_number" name="card_number" inputmode="numeric" autocomplete="off" maxlength="30"
 placeholder="0000 0000 0000 0000"{card_number_state}>
{card_number_wrong}
</div>
<fieldset class="field">
<legend>{expires}</legend>
<div class="date">
<input id="exp_month" name="exp_month" inputmode="numeric" autocomplete="off" maxlength="2"
 aria-label="{exp_month}" placeholder="{exp_month}" value="{month}"{exp_month_state}>
<span aria-hidden="true">/</span>
<input id="exp_year" name="exp_year" inputmode="numeric" autocomplete="off" maxlength="4"
 aria-label="{exp_year}" placeholder="{exp_year}" value="{year}"{exp_year_state}>
</div>
{exp_wrong}
</fieldset>
<button class="primary">{button}</button>
{note}
<p class="leave"><a href="{return_url}">{leave}</a></p>
</form>
<section class="test-cards">
<h2>{test_cards}</h2>
<p>{test_cards_note}</p>
<table>
<thead><tr><th scope="col">{number}</th><th scope="col">{what_happens}</th></tr></thead>
<tbody>
{rows}</tbody>
</table>
</section>"""
TEST_CARD: Final = "<tr><td><code>{number}</code></td><td>{what}</td></tr>\n"
FAILURE: Final = '<p class="failure" role="alert">{text}</p>'
WRONG: Final = '<p class="wrong" id="{name}_wrong">{text}</p>'
STATE: Final = ' aria-invalid="true" aria-describedby="{name}_wrong"'
ACT_FORM: Final = """<form method="post" class="paper act">
<p class="bank">{bank}</p>
<h1>{title}</h1>
<p>{question}</p>
<dl>{facts}</dl>
<input type="hidden" name="form_token" value="{form_token}">
<div class="buttons">
<button class="primary" name="decision" value="approve">{approve}</button>
<button name="decision" value="refuse">{refuse}</button>
</div>
</form>"""
NOTICE: Final = """<section class="paper notice {kind}">
<h1>{title}</h1>
<p>{text}</p>
{link}
</section>"""
LINK: Final = '<p><a class="button" href="{href}">{text}</a></p>'


@dataclass(frozen=True)
class Said:
    """What a person typed that is taken or not; the card number itself is never shown again."""

    month: str = ""
    year: str = ""
    wrong: Mapping[str, str] = field(default_factory=dict)


def answer(gateway: Gateway, request: Request) -> Reply:
    """The page that was asked for, or what comes of a form that was sent."""
    accepts = request.headers.get("accept-language", "")
    language = "sv" if accepts.lower().startswith("sv") else "en"
    address = ADDRESS.fullmatch(request.path)
    if address is None:
        return _unknown(language)
    if request.method not in ("GET", "POST"):
        return Reply(405, b"", headers={"Allow": "GET, POST"})
    form = _form(request) if request.method == "POST" else None
    try:
        if address["page"] == "pay":
            return _pay(gateway, address["id"], form)
        return _act(gateway, address["id"], form, language)
    except Refusal as refusal:
        if refusal.code != "not_found":
            raise
        return _unknown(language)


def _form(request: Request) -> dict[str, str]:
    try:
        fields = parse_qsl(
            request.body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX
        )
    except ValueError:
        return {}
    return dict(fields)


def _is_genuine(form: Mapping[str, str], row: Row) -> bool:
    given, expected = form.get("form_token", ""), row["form_token"]
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


# Paying


def _pay(gateway: Gateway, session_id: str, form: Mapping[str, str] | None) -> Reply:
    session = gateway.session_row(session_id)
    if form is None:
        return _payment_page(gateway, session, Said())
    if not _is_genuine(form, session):
        return _stale(session, f"/pay/{session_id}")
    # A form that comes a second time is one of an attempt that is past.
    if session["status"] == "open" and form.get("attempt") == str(session["attempt"]):
        said, card = _read_card(form, LANGUAGES[session["locale"]])
        if card is None:
            return _payment_page(gateway, session, said)
        gateway.pay(session_id, card, int(said.month), int(said.year))
    return _next(gateway, session_id)


def _next(gateway: Gateway, session_id: str) -> Reply:
    """Send the browser on to where a session now stands."""
    session = gateway.session_row(session_id)
    if session["status"] == "complete":
        return _redirect(_return_url(session), session)
    if session["charge"] and gateway.charge(session["charge"])["status"] == "requires_action":
        return _redirect(f"/act/{session['charge']}", session)
    return _redirect(f"/pay/{session_id}", session)


def _read_card(form: Mapping[str, str], words: Mapping[str, str]) -> tuple[Said, cards.Card | None]:
    """The card of a form that is in order, else what is wrong with each field."""
    wrong, card = dict[str, str](), None
    try:
        card = cards.recognise(form.get("card_number", ""))
    except Refusal as refusal:
        wrong["card_number"] = words[f"wrong_{refusal.code}"]
    month, year = form.get("exp_month", "").strip(), form.get("exp_year", "").strip()
    this_month = instant()[:7]
    if re.fullmatch(r"[0-9]{2}", year, re.ASCII):
        year = this_month[:2] + year
    if not re.fullmatch(r"0?[1-9]|1[0-2]", month, re.ASCII):
        wrong["exp_month"] = words["wrong_exp_month"]
    elif not re.fullmatch(r"20[0-9]{2}", year, re.ASCII):
        wrong["exp_year"] = words["wrong_exp_year"]
    elif f"{year}-{month:0>2}" < this_month:
        wrong["exp_year"] = words["wrong_expired"]
    return Said(month[:2], year[:4], wrong), None if wrong else card


def _payment_page(gateway: Gateway, session: Row, said: Said) -> Reply:
    words = LANGUAGES[session["locale"]]
    if session["status"] == "complete":
        text = words[f"complete_{session['kind']}"].format(**_terms(session))
        return _notice(session, "done", words["complete_title"], text, _back(session))
    if session["status"] == "expired":
        text = words["expired"].format(**_terms(session))
        return _notice(session, "closed", words["expired_title"], text, _back(session))
    charge = gateway.charge(session["charge"]) if session["charge"] else None
    if charge and charge["status"] == "requires_action":
        return _redirect(f"/act/{charge['id']}", session)
    failure = Html("")
    if charge and charge["status"] == "failed" and not said.wrong:
        failure = _fill(FAILURE, text=words[f"failed_{charge['failure_code']}"])
    content = Html(_summary(gateway, session) + _card_form(session, said, failure))
    title = words[_verb(session) + "_title"].format(**_terms(session))
    return _page(session["locale"], title, content, session, 422 if said.wrong else 200)


def _summary(gateway: Gateway, session: Row) -> Html:
    words, terms = LANGUAGES[session["locale"]], _terms(session)
    is_payment = session["kind"] == "payment"
    customer = gateway.customer_row(session["customer"])
    facts = _fill(FACT, name=words["customer"], value=customer["name"])
    facts = Html(facts + _fill(FACT, name=words["reference"], value=session["reference"]))
    return _fill(
        SUMMARY,
        to=words[_verb(session) + "_to"].format(**terms),
        title=terms["amount"] if is_payment else words["save_title"],
        facts=Html(facts),
    )


def _card_form(session: Row, said: Said, failure: Html) -> Html:
    words, terms = LANGUAGES[session["locale"]], _terms(session)
    wrong = {name: _fill(WRONG, name=name, text=text) for name, text in said.wrong.items()}
    names = ("card_number", "exp_month", "exp_year")
    states = {
        f"{name}_state": _fill(STATE, name=name) if name in wrong else Html("") for name in names
    }
    rows = [
        _fill(TEST_CARD, number=re.sub(r"(.{4})(?=.)", "\\1 ", number), what=words[behaviour])
        for number, behaviour in cards.TEST_CARDS.items()
    ]
    is_setup = session["kind"] == "setup"
    used = ("card_number", "exp_month", "exp_year", "expires", "test_cards", "test_cards_note")
    return _fill(
        CARD_FORM,
        form_token=session["form_token"],
        attempt=session["attempt"],
        failure=failure,
        card_number_wrong=wrong.get("card_number", Html("")),
        exp_wrong=wrong.get("exp_month") or wrong.get("exp_year") or Html(""),
        month=said.month,
        year=said.year,
        button=words[_verb(session)].format(**terms),
        note=_fill('<p class="note">{text}</p>', text=words["save_note"]) if is_setup else Html(""),
        leave=words["leave"].format(**terms),
        return_url=_return_url(session),
        number=words["number"],
        what_happens=words["what_happens"],
        rows=Html("".join(rows)),
        **{name: words[name] for name in used},
        **states,
    )


# Approving, as the bank


def _act(gateway: Gateway, charge_id: str, form: Mapping[str, str] | None, language: str) -> Reply:
    charge = gateway.charge_row(charge_id)
    session = gateway.session_row(charge["session"]) if charge["session"] else None
    language = session["locale"] if session else language
    if form is None:
        return _bank_page(gateway, charge, session, language)
    decision = form.get("decision")
    if not _is_genuine(form, charge) or decision not in ("approve", "refuse"):
        return _stale(session, f"/act/{charge_id}", language)
    gateway.act(charge_id, is_confirmed=decision == "approve")
    if session:
        return _next(gateway, session["id"])
    return _redirect(f"/act/{charge_id}", None)


def _bank_page(gateway: Gateway, charge: Row, session: Row | None, language: str) -> Reply:
    words = LANGUAGES[language]
    terms = {"amount": amount_text(charge["amount_minor"], charge["currency"], language)}
    if charge["status"] != "requires_action":
        link = _back(session) if session else Html("")
        if session and session["status"] == "open":
            link = _fill(LINK, href=f"/pay/{session['id']}", text=words["again"])
        title = words[f"settled_{charge['status']}_title"]
        text = words[f"settled_{charge['status']}"].format(**terms)
        kind = "done" if charge["status"] == "succeeded" else "closed"
        return _notice(session, kind, title, text, link, language=language)
    method = gateway.payment_method(charge["payment_method"])
    card = f"{method['brand'].capitalize()} ···· {method['last4']}"
    facts = _fill(FACT, name=words["card"], value=card)
    facts = Html(facts + _fill(FACT, name=words["reference"], value=charge["reference"]))
    title = words["act_title"].format(**terms)
    question = words["act_from_nobody"]
    if session:
        question = words["act_from"].format(**_terms(session))
    content = _fill(
        ACT_FORM,
        bank=words["bank"],
        title=title,
        question=question,
        facts=Html(facts),
        form_token=charge["form_token"],
        approve=words["approve"],
        refuse=words["refuse"],
    )
    return _page(language, title, content, session, shape="narrow")


# Notices and what all pages share


def _notice(
    session: Row | None,
    kind: str,
    title: str,
    text: str,
    link: Html,
    *,
    language: str = "",
    status: int = 200,
) -> Reply:
    content = _fill(NOTICE, kind=kind, title=title, text=text, link=link)
    language = language or (session["locale"] if session else "en")
    return _page(language, title, content, session, status, shape="narrow")


def _unknown(language: str) -> Reply:
    words = LANGUAGES[language]
    title, text = words["unknown_title"], words["unknown"]
    return _notice(None, "closed", title, text, Html(""), language=language, status=404)


def _stale(session: Row | None, href: str, language: str = "") -> Reply:
    language = session["locale"] if session else language
    words = LANGUAGES[language]
    link = _fill(LINK, href=href, text=words["again"])
    title, text = words["stale_title"], words["stale"]
    return _notice(session, "closed", title, text, link, language=language, status=403)


def _back(session: Row) -> Html:
    text = LANGUAGES[session["locale"]]["back"].format(**_terms(session))
    return _fill(LINK, href=_return_url(session), text=text)


def _page(
    language: str,
    title: str,
    content: Html,
    session: Row | None,
    status: int = 200,
    shape: str = "wide",
) -> Reply:
    words = LANGUAGES[language]
    page = _fill(
        PAGE,
        language=language,
        title=title,
        shape=shape,
        content=content,
        test_mode=words["test_mode"],
        no_money=words["no_money"],
    )
    return Reply(status, page.encode(), "text/html; charset=utf-8", _policy(session))


def _redirect(address: str, session: Row | None) -> Reply:
    return Reply(303, headers={"Location": address, **_policy(session)})


def _policy(session: Row | None) -> dict[str, str]:
    """What a page may load and where its form may end up: here, or at the shop it belongs to."""
    shop = f" {origin(session['return_url'])}" if session else ""
    return {
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; font-src 'self'; "
        f"img-src 'self'; form-action 'self'{shop}; base-uri 'none'; frame-ancestors 'none'"
    }


def _verb(session: Row) -> str:
    return "pay" if session["kind"] == "payment" else "save"


def _terms(session: Row) -> dict[str, str]:
    """The shop's name, or its address where it told none, and the amount if there is one."""
    amount = ""
    if session["kind"] == "payment":
        amount = amount_text(session["amount_minor"], session["currency"], session["locale"])
    return {"shop": session["shop"] or urlsplit(session["return_url"]).netloc, "amount": amount}


def _return_url(session: Row) -> str:
    """Where the shop waits for its customer, told which session they come from."""
    parts = urlsplit(session["return_url"])
    query = "&".join(filter(None, [parts.query, f"session={session['id']}"]))
    return urlunsplit(parts._replace(query=query))
