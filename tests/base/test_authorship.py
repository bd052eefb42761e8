import pytest
from django.db import connection

from billing.base.sql.authorship import acting_as
from billing.jobs.runs import job_run
from tests.factories import CustomerFactory

pytestmark = pytest.mark.django_db


def _author_of(customer) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.metadata ->> 'actor' FROM customers_customerevent e"
            " LEFT JOIN pghistory_context c ON c.id = e.pgh_context_id"
            " WHERE e.pgh_obj_id = %s ORDER BY e.pgh_id DESC LIMIT 1",
            [customer.pk],
        )
        return cursor.fetchone()[0]


def test_the_history_of_what_a_job_changes_names_the_job() -> None:
    with job_run("tidy up"):
        made_by_job = CustomerFactory()
    made_by_nobody = CustomerFactory()
    assert _author_of(made_by_job) == "job:tidy up"
    assert _author_of(made_by_nobody) is None


def test_a_command_names_itself_and_the_job_within_it_the_job() -> None:
    with acting_as("command:tick"):
        first = CustomerFactory()
        with job_run("tidy up"):
            second = CustomerFactory()
        third = CustomerFactory()
    assert [_author_of(each) for each in (first, second, third)] == [
        "command:tick",
        "job:tidy up",
        "command:tick",
    ]


@pytest.mark.django_db(transaction=True)
def test_a_new_connection_is_told_who_acts_and_has_what_the_guards_ask_for() -> None:
    with acting_as("command:import_subscriptions"):
        connection.close()
        assert _author_of(CustomerFactory()) == "command:import_subscriptions"
    with connection.cursor() as cursor:
        cursor.execute("SHOW pgtrigger.ignore")
        assert cursor.fetchone() == ("{}",)
