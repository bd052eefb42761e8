"""The day whose tax rate a line bears: its tax point, by Directive 2006/112/EC.

A supply bears the rate in force when the tax on it arises (article 93), not that of the day on
which somebody got round to billing it. So an outage, late usage and a bill made again change no
rate.
"""

from datetime import date, timedelta

from billing.engine.lines import Line


def tax_point(line: Line, as_of: date) -> date:
    """The day on which the tax on a charge arises.

    - What is billed in arrears (usage, minimums, fees at the end of a period) is supplied when the
      period that the bill is for expires (articles 63 and 64(1)): on its last day.
    - What is paid in advance is taxed when it is paid (article 65); it is to be paid on the day on
      which it falls due, which begins its period.
    - A thing bought once is taxed on its day (article 63).

    Never later than ``as_of``: what is billed before its day is a payment on account. A credit is
    not asked about here: it bears what the line that it corrects bore (article 90).
    """
    if line.end is not None and line.due_on == line.end:
        return min(line.end - timedelta(days=1), as_of)
    return min(line.due_on or as_of, as_of)
