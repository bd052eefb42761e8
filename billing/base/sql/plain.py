"""Text without capitals and accents, so that Åsa Öberg is found as asa oberg."""

from django.db.models import CharField, Func


class Plain(Func):
    """The text as it is compared with what people type.

    The function is our own (``billing/migrations``): PostgreSQL's ``unaccent`` reads its dictionary
    anew and may not stand in an index, ours names it once and for all.
    """

    function = "kvitt_plain"
    arity = 1
    output_field = CharField()


class PlainWords(Func):
    """Several texts as one of which every word begins with a space; none of them is null."""

    function = "kvitt_plain"
    template = "%(function)s(' ' || %(expressions)s)"
    arg_joiner = " || ' ' || "
    output_field = CharField()


class JoinedWords(Func):
    """All texts of some arrays as one, with a space between each; none of the arrays is null.

    The function is our own (``billing/mail/migrations``): PostgreSQL's ``array_to_string`` may not
    stand in an index, because of arrays of other things than texts.
    """

    function = "kvitt_joined"
    arg_joiner = " || "
    output_field = CharField()
