"""Whatever leaves passes the gate: who may open a connection, and that nobody else does."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("billing", "customers", "catalog", "dunning", "portal")
# What opens connections, or comes with what does.
NETWORK = {
    *("socket", "ssl", "smtplib", "requests", "urllib.request", "urllib3", "http.client"),
    *("http.server", "socketserver", "asyncio", "ftplib", "poplib", "imaplib", "telnetlib"),
    *("httpx", "aiohttp", "xmlrpc", "paramiko", "websockets"),
}
# Each takes the gate's pass before it opens anything, but for the resolver, which the first asks.
OUTLETS = {
    "billing/mail/smtp.py",
    "billing/outbound/answers.py",
    "billing/payments/gateways/http.py",
    "billing/tax/vies.py",
    "billing/webhooks/addresses.py",
    "billing/webhooks/sending.py",
}
# Not the product's way out: why each is none.
ELSEWHERE = {
    "billing/sandbox/": "it stands for the outside, in a process of its own",
    "billing/installation/": "takes in what comes, and opens nothing outwards",
    "billing/installation/postgres.py": "asks whether our own database listens on its socket",
    "billing/bench": "measures a server of ours on this machine",
    "billing/demo/": "the demo's shop and processes, on this machine",
    "billing/installation/whole_requests.py": "is what the web server listens with",
    "billing/mail/outbox.py": "names the errors of smtplib, and opens nothing",
}


def modules_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (str(each.value) for each in node.args if isinstance(each, ast.Constant))


def opens_connections(source: str) -> bool:
    found = set(modules_of(ast.parse(source)))
    return any(name == each or name.startswith(f"{each}.") for name in found for each in NETWORK)


def product_files() -> Iterator[tuple[str, str]]:
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text()


def test_only_outlets_open_connections() -> None:
    opening = {name for name, source in product_files() if opens_connections(source)}
    strange = {name for name in opening if not name.startswith(tuple(ELSEWHERE))}
    assert strange == OUTLETS


@pytest.mark.parametrize(
    "source",
    [
        "import socket",
        "import urllib.request as r",
        "from urllib import request",
        "from http.client import HTTPSConnection",
        "def ask():\n    from requests import get",
        "importlib.import_module('smtplib')",
    ],
)
def test_a_module_that_opens_one_is_found(source: str) -> None:
    assert opens_connections(source)


@pytest.mark.parametrize(
    "source", ["from urllib.parse import urlsplit", "from http import HTTPStatus"]
)
def test_a_module_that_opens_none_is_let_be(source: str) -> None:
    assert not opens_connections(source)


def test_only_the_gate_gives_passes() -> None:
    giving = {
        name
        for name, source in product_files()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Pass"
    }
    assert giving == {"billing/outbound/gate.py"}


@pytest.mark.parametrize("name", sorted(OUTLETS - {"billing/webhooks/addresses.py"}))
def test_each_outlet_asks_for_a_pass(name: str) -> None:
    source = (ROOT / name).read_text()
    assert "allowed: Pass" in source or "pass_out(" in source


def test_mail_leaves_by_no_backend_of_djangos_own() -> None:
    sending = [
        name
        for name, source in product_files()
        if "django.core.mail" in source and "send_mail(" in source
    ]
    assert sending == []
