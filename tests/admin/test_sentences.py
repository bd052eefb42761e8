"""What the engine and the log say in English is read at the desk in the language of the page."""

import pytest
from django.utils import translation

from billing.desk.figures import as_pages_write
from billing.desk.sentences import in_page_language


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Voided 1042.", "1042 är makulerad."),
        ("Paused until 2026-05-03.", "Pausat till den 3 maj 2026."),
        (
            "Paused. Issued credit note C7 of 10.00 SEK.",
            "Abonnemanget är pausat. Kreditfaktura C7 på 10,00\xa0kr är utfärdad.",
        ),
        (
            "Issued invoice 1 of 5.00 SEK. Issued invoice 2 of 6.00 SEK.",
            "Faktura 1 på 5,00\xa0kr är utfärdad. Faktura 2 på 6,00\xa0kr är utfärdad.",
        ),
        (
            "Only 16.25 SEK of 1042 is left to credit.",
            "Bara 16,25\xa0kr av 1042 är kvar att kreditera.",
        ),
        (
            "A invoice that is void cannot become paid.",
            "Det går inte att ändra status från makulerad till betald.",
        ),
        (
            "Goes to a@example.com (copy to b@example.com).",
            "Går till a@example.com (kopia till b@example.com).",
        ),
        (
            "Shop issues nothing yet, because it is live and its page under Sellers misses "
            "something. Legal name: enter it as it is registered. Seat: a limited company must "
            "state its registered office.",
            "Shop utfärdar inget än, för säljaren är skarp och något saknas på dess sida bland "
            "säljarna. Juridiskt namn: ange namnet som det är registrerat. Säte: ett aktiebolag "
            "ska ange sitt säte.",
        ),
    ],
)
def test_sentences_are_known_by_their_shape(said: str, shown: str) -> None:
    with translation.override("sv"):
        assert as_pages_write(said) == shown


def test_what_is_kept_with_the_code_of_its_refusal_is_known_after_it() -> None:
    with translation.override("sv"):
        shown = in_page_language("plan_without_prices: The plan Tea has no prices in SEK.")
    assert shown == "plan_without_prices: Abonnemangsformen Tea har inga priser i SEK."


def test_a_refusal_within_another_is_known_as_well() -> None:
    with translation.override("sv"):
        shown = in_page_language("This cannot be billed: The plan Tea has no prices in SEK.")
    assert shown == "Det går inte att fakturera: Abonnemangsformen Tea har inga priser i SEK."


@pytest.mark.parametrize("name", ["Dr. Smith", "Tea. Milk"])
def test_a_name_may_look_like_the_end_of_a_sentence(name: str) -> None:
    with translation.override("sv"):
        assert in_page_language(f"Started {name}.") == f"Abonnemanget {name} har börjat."


@pytest.mark.parametrize("name", ["Month", "Active", "void", "Balance"])
def test_what_somebody_has_called_as_a_word_of_the_desk_keeps_its_name(name: str) -> None:
    with translation.override("sv"):
        assert in_page_language(f"Started {name}.") == f"Abonnemanget {name} har börjat."
        assert in_page_language(f"{name} and Tea are not of one family.") == (
            f"{name} och Tea hör inte till samma grupp."
        )
        assert in_page_language(f"Made {name} in place of paid.").startswith(f"{name} är ")
        assert in_page_language(f"The plan {name} has no prices in SEK.") == (
            f"Abonnemangsformen {name} har inga priser i SEK."
        )


@pytest.mark.parametrize("sentence", ["A has passed. ", "Resumed. ", "Voided 1042. "])
@pytest.mark.parametrize("length", [400, 500, 5000])
def test_a_text_of_many_sentences_is_read_in_few_steps(sentence: str, length: int) -> None:
    """Where each division of it was tried anew, this did not come to an end."""
    text = (sentence * (length // len(sentence))).strip()
    with translation.override("sv"):
        shown = in_page_language(f"“{text}” is not billed.")
        assert shown == f"”{text}” faktureras inte."
        known = in_page_language(sentence.strip())
        assert in_page_language(text).count(known) == text.count(sentence.strip())


def test_what_is_not_known_stays_as_it_is() -> None:
    with translation.override("sv"):
        assert in_page_language("Resumed. Something new.") == (
            "Abonnemanget är återupptaget. Something new."
        )
    with translation.override("en"):
        assert in_page_language("Resumed.") == "Resumed."
