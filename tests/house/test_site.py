import stat
from pathlib import Path

import pytest
from django.test import Client

from billing.installation import secret_key


@pytest.mark.django_db
@pytest.mark.django_db
def test_pages_run_no_script_from_elsewhere_or_inline(client: Client) -> None:
    policy = client.get("/portal/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.django_db
def test_only_the_admin_may_evaluate_expressions(client: Client) -> None:
    policy = client.get("/admin/login/").headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


def test_the_secret_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    key = secret_key.secret_key(tmp_path / "var")
    assert len(key) >= 50
    assert secret_key.secret_key(tmp_path / "var") == key
    assert stat.S_IMODE((tmp_path / "var/secret_key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["secret_key"]


def test_no_secret_key_is_made_up_where_none_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert secret_key.secret_key(tmp_path / "file") == ""
