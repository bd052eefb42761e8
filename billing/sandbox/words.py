"""What the hosted pages say, in each language, and how amounts are written in it."""

from typing import Final

type Words = dict[str, str]

EXPONENTS: Final = {"CLP": 0, "ISK": 0, "JPY": 0, "KRW": 0, "BHD": 3, "KWD": 3, "TND": 3}
SYMBOLS: Final = {
    "sv": {"SEK": "kr", "EUR": "€"},
    "en": {"EUR": "€", "GBP": "£", "USD": "$"},
}

ENGLISH: Final[Words] = {
    "test_mode": "Test mode",
    "no_money": "no money moves",
    "pay_title": "Pay {amount}",
    "pay_to": "To pay to {shop}",
    "save_title": "Save a card",
    "save_to": "For your payments to {shop}",
    "customer": "Customer",
    "reference": "Reference",
    "card": "Card",
    "card_number": "Card number",
    "exp_month": "Month",
    "exp_year": "Year",
    "expires": "Valid until",
    "pay": "Pay {amount}",
    "save": "Save the card",
    "save_note": "Nothing is charged now. The shop charges what you owe when it is due.",
    "leave": "Cancel and go back to {shop}",
    "test_cards": "Test cards",
    "test_cards_note": "Only these numbers work here, with any future date. "
    "Never enter a real card number.",
    "number": "Number",
    "what_happens": "What happens",
    "works": "The payment goes through",
    "needs_action": "The bank asks you to approve it",
    "card_declined": "The bank declines the payment",
    "insufficient_funds": "Not enough money in the account",
    "lost_card": "Reported lost, and no longer accepted",
    "failed_card_declined": "Your bank declined the payment. Try another card.",
    "failed_insufficient_funds": "There is not enough money in the account. Try another card.",
    "failed_lost_card": "This card can no longer be used. Try another card.",
    "failed_authentication_failed": "The payment was not approved with the bank. "
    "Try again, or use another card.",
    "wrong_card_number_missing": "Enter the card number.",
    "wrong_card_number_invalid": "This is not a card number. Check the digits.",
    "wrong_card_number_unknown": "Only the test cards shown here work.",
    "wrong_exp_month": "Enter the month as 1 to 12.",
    "wrong_exp_year": "Enter the year as shown on the card.",
    "wrong_expired": "This card has expired.",
    "act_title": "Approve {amount}?",
    "act_from": "The test bank asks: are you paying {shop}?",
    "act_from_nobody": "The test bank asks: are you making this payment?",
    "approve": "Approve",
    "refuse": "Do not approve",
    "bank": "Test bank",
    "back": "Go back to {shop}",
    "again": "Go back to the form",
    "complete_title": "All done",
    "complete_payment": "{amount} has been paid to {shop}. You will not be charged again.",
    "complete_setup": "Your card has been saved for your payments to {shop}.",
    "expired_title": "This page has closed",
    "expired": "Nothing was charged here. Go back to {shop} for a new page.",
    "unknown_title": "This page does not exist",
    "unknown": "Part of the link may have been lost on the way. Nothing has been charged. "
    "Go back to the shop and start again from there.",
    "stale_title": "This form is out of date",
    "stale": "What you sent has not been used. Open the page again and send the form from there.",
    "settled_succeeded_title": "Approved",
    "settled_succeeded": "{amount} has been paid. You can close this page.",
    "settled_failed_title": "Not paid",
    "settled_failed": "The payment of {amount} did not go through. Nothing has been charged.",
    "settled_canceled_title": "No longer needed",
    "settled_canceled": "The payment of {amount} was canceled. Nothing has been charged.",
}
SWEDISH: Final[Words] = {
    "test_mode": "Testläge",
    "no_money": "inga pengar flyttas",
    "pay_title": "Betala {amount}",
    "pay_to": "Att betala till {shop}",
    "save_title": "Spara ett kort",
    "save_to": "För dina betalningar till {shop}",
    "customer": "Kund",
    "reference": "Referens",
    "card": "Kort",
    "card_number": "Kortnummer",
    "exp_month": "Månad",
    "exp_year": "År",
    "expires": "Giltigt till",
    "pay": "Betala {amount}",
    "save": "Spara kortet",
    "save_note": "Inga pengar dras nu. Butiken drar det du ska betala på förfallodagen.",
    "leave": "Avbryt och gå tillbaka till {shop}",
    "test_cards": "Testkort",
    "test_cards_note": "Bara de här numren fungerar, med vilket datum som helst framåt i tiden. "
    "Skriv aldrig in ett riktigt kortnummer.",
    "number": "Nummer",
    "what_happens": "Det här händer",
    "works": "Betalningen går igenom",
    "needs_action": "Banken ber dig godkänna",
    "card_declined": "Banken nekar betalningen",
    "insufficient_funds": "För lite pengar på kontot",
    "lost_card": "Anmält förlorat, godtas inte längre",
    "failed_card_declined": "Din bank nekade betalningen. Prova ett annat kort.",
    "failed_insufficient_funds": "Det finns för lite pengar på kontot. Prova ett annat kort.",
    "failed_lost_card": "Det här kortet går inte längre att använda. Prova ett annat kort.",
    "failed_authentication_failed": "Betalningen godkändes inte hos banken. "
    "Försök igen eller använd ett annat kort.",
    "wrong_card_number_missing": "Skriv kortnumret.",
    "wrong_card_number_invalid": "Det här är inget kortnummer. Kontrollera siffrorna.",
    "wrong_card_number_unknown": "Bara testkorten som visas här fungerar.",
    "wrong_exp_month": "Skriv månaden som 1 till 12.",
    "wrong_exp_year": "Skriv året som det står på kortet.",
    "wrong_expired": "Det här kortet har gått ut.",
    "act_title": "Godkänna {amount}?",
    "act_from": "Testbanken frågar: är det du som betalar till {shop}?",
    "act_from_nobody": "Testbanken frågar: är det du som betalar?",
    "approve": "Godkänn",
    "refuse": "Godkänn inte",
    "bank": "Testbanken",
    "back": "Gå tillbaka till {shop}",
    "again": "Tillbaka till formuläret",
    "complete_title": "Klart",
    "complete_payment": "{amount} är betalt till {shop}. Inga fler pengar dras.",
    "complete_setup": "Ditt kort är sparat för dina betalningar till {shop}.",
    "expired_title": "Sidan är stängd",
    "expired": "Inga pengar har dragits här. Gå tillbaka till {shop} för att få en ny sida.",
    "unknown_title": "Den här sidan finns inte",
    "unknown": "En del av länken kan ha försvunnit på vägen. Inga pengar har dragits. "
    "Gå tillbaka till butiken och börja om därifrån.",
    "stale_title": "Formuläret är inaktuellt",
    "stale": "Det du skickade har inte använts. Öppna sidan igen och skicka formuläret därifrån.",
    "settled_succeeded_title": "Godkänt",
    "settled_succeeded": "{amount} är betalt. Du kan stänga sidan.",
    "settled_failed_title": "Inte betalt",
    "settled_failed": "Betalningen på {amount} gick inte igenom. Inga pengar har dragits.",
    "settled_canceled_title": "Behövs inte längre",
    "settled_canceled": "Betalningen på {amount} har avbrutits. Inga pengar har dragits.",
}
LANGUAGES: Final = {"en": ENGLISH, "sv": SWEDISH}


def amount_text(amount_minor: int, currency: str, language: str) -> str:
    """An amount as it is written in a language: ``1 234,50 kr``, ``€1,234.50``, ``SEK 1,234.50``.

    What belongs together is joined by no-break spaces.
    """
    exponent = EXPONENTS.get(currency, 2)
    whole, fraction = divmod(amount_minor, 10**exponent)
    groups, point = ("\u00a0", ",") if language == "sv" else (",", ".")
    figures = f"{whole:,}".replace(",", groups)
    if exponent:
        figures += f"{point}{fraction:0{exponent}}"
    symbol = SYMBOLS[language].get(currency)
    if language == "sv":
        return f"{figures}\u00a0{symbol or currency}"
    return f"{symbol}{figures}" if symbol else f"{currency}\u00a0{figures}"
