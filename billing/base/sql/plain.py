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
