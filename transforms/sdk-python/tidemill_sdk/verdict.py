# What a transform says about one record.


class Verdict:
    """What came of a record: rows, nothing on purpose, or a reason why it cannot be a row."""

    __slots__ = ("rows", "reason")

    def __init__(self, rows, reason):
        self.rows = rows
        self.reason = reason

    def __eq__(self, other):
        return isinstance(other, Verdict) and (self.rows, self.reason) == (other.rows, other.reason)

    def __repr__(self):
        return f"Verdict({self.rows!r}, {self.reason!r})"


_DROP = Verdict((), None)


def emit(row):
    """The record becomes this row, a dict with the columns' names."""
    return Verdict((row,), None)


def emit_all(rows):
    """The record becomes these rows, in this order; an empty list drops it."""
    return Verdict(tuple(rows), None)


def drop():
    """The record is left out on purpose; it is counted as dropped."""
    return _DROP


def reject(reason):
    """The record cannot become a row; `reason` is a sentence without a full stop."""
    return Verdict(None, str(reason))
