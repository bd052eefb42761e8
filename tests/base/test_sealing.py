import pytest
from django.test import override_settings

from billing.base.sealing import seal, unseal
from billing.engine.errors import Refused


def test_what_is_sealed_is_read_again_and_is_never_the_same_text() -> None:
    first, second = seal("whsec_abc"), seal("whsec_abc")
    assert first != second
    assert "abc" not in first
    assert unseal(first) == unseal(second) == "whsec_abc"


def test_after_a_change_of_the_secret_key_the_old_one_still_opens() -> None:
    with override_settings(SECRET_KEY="old"):
        sealed = seal("whsec_abc")
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]):
        assert unseal(sealed) == "whsec_abc"
    with override_settings(SECRET_KEY="new"), pytest.raises(Refused) as refused:
        unseal(sealed)
    assert refused.value.code == "secret_unreadable"
