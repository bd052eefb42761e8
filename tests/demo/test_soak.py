"""An hour of the living demo, with the worker's processes killed every minute."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

MINUTES = int(os.environ.get("SOAK_MINUTES", "60"))
# What goes on in the shop meanwhile, once in a process of its own: people join, leave a card,
# subscribe, take more seats and leave. Prints how many of the shop's steps were refused.
LIFE = """
import itertools, random, sys
from datetime import timedelta
import django
django.setup()
from django.conf import settings
from billing.demo.shop import find_shop
from billing.demo.story import ASKS, DECLINED, GOOD
from billing.demo.till import SandboxTill
from billing.events import clock
from billing.payments.gateways.sandbox.client import Sandbox
from billing.subscriptions.actions import cancel, change, start
from catalog.models import Plan
from customers.models import Customer

seller = find_shop()
till = SandboxTill(Sandbox(settings.SANDBOX_URL, settings.SANDBOX_KEY, ""))
today = clock.today(seller.time_zone)
plans = {plan.code: plan for plan in Plan.objects.filter(seller=seller)}
for number in range(8):
    customer = Customer.objects.create(
        seller=seller, name=f"Soak {sys.argv[1]}-{number}", country="SE", collection="automatic"
    )
    till.leave_card(customer, random.choice((GOOD, GOOD, GOOD, DECLINED, ASKS)), today)
    # Half a year that nobody has billed comes due at once.
    begun = today - timedelta(days=random.choice((0, 0, 40, 190)))
    plan = plans[random.choice(("brygg-250", "espresso-1000", "kontor"))]
    subscription = start(customer, plan, as_of=begun, actor="soak")
    if plan.code == "kontor":
        change(subscription, as_of=today, actor="soak", quantities={"seats": 9})
    elif random.random() < 0.3:
        cancel(subscription, as_of=today, actor="soak", when="now", is_refunded=True)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the database's account may enter; pytest's own are shut by its next run."""
    with tempfile.TemporaryDirectory(prefix="kvitt-soak-", dir="/var/tmp") as made:  # noqa: S108
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def demo(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    env |= {"KVITT_VAR": str(folder / "var"), "DJANGO_SETTINGS_MODULE": "billing.settings"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--port=0"],
        cwd=settings.BASE_DIR,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process
    process.terminate()
    process.wait(timeout=180)


@pytest.mark.proof
def test_an_hour_of_killed_workers_leaves_the_books_right(demo: "subprocess.Popen[str]") -> None:
    assert demo.stdout is not None
    for line in demo.stdout:
        if "Ctrl-C" in line:
            break
    (worker,) = [pid for pid in _children(demo.pid) if "work" in _command(pid)]
    env = _environment(worker)
    killed = 0
    for minute in range(MINUTES):
        began = time.monotonic()
        _run(env, "-c", LIFE, str(minute))
        # In the middle of a tick, at whatever it happens to do.
        time.sleep(random.uniform(0, 20))
        for pid in random.sample(sorted(_descendants(worker)), k=1):
            os.kill(pid, signal.SIGKILL)
            killed += 1
        assert demo.poll() is None
        time.sleep(max(0.0, 60 - (time.monotonic() - began)))
    assert killed == MINUTES
    # Two quiet ticks, and all that was due is done.
    time.sleep(150)
    books = json.loads(_run(env, "manage.py", "verify_books", "--json"))
    print(json.dumps(books))
    left = _run(env, "-c", LEFT).split()
    assert left == ["0", "0", "0"], "subscriptions due, payments due, jobs that failed"


LEFT = """
import django
django.setup()
from django.db.models import Q
from billing.demo.shop import find_shop
from billing.events import clock
from billing.jobs.models import JobRun
from billing.payments.models import Payment
seller = find_shop()
today = clock.today(seller.time_zone)
print(seller.subscriptions.filter(parked_reason="", next_bill_on__lte=today).count())
late = Q(state="planned", planned_on__lte=today, customer__payment_methods__refused_code="",
         customer__payment_methods__is_default=True) | Q(state__in=["created", "unknown"])
print(Payment.objects.filter(late, seller=seller, next_check_at=None).count())
newest = {}
for run in JobRun.objects.order_by("pk"):
    newest[run.name] = run.state
print(list(newest.values()).count("failed"))
"""


def _run(env: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


def _descendants(pid: int) -> set[int]:
    found = set(_children(pid))
    for child in list(found):
        found |= _descendants(child)
    return found


def _command(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def _environment(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if re.match(r"\w+=", pair))
