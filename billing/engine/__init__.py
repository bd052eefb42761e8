"""All that money and dates can get wrong, as pure functions over the standard library.

Nothing here reads a clock, a database or a file: the same arguments give the same answer.
"""
