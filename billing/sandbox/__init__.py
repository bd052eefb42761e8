"""A payment gateway that moves no money: another company's system, as far as Kvitt can tell.

It runs as a process of its own (``python -m billing.sandbox``) with a database of its own, uses the
standard library alone, and shares no code with the rest. Kvitt knows it only by HTTP, so whatever
Kvitt believes about it has crossed a network that may fail.
"""
