# A batch through a transform: columns in, each record through its function, columns out.
from .columns import Unfit, read, write
from .verdict import Verdict


class Made:
    """What came of a batch: columns, for each of their rows the record that it came from, and what was rejected."""

    __slots__ = ("columns", "sources", "rejected")

    def __init__(self, columns, sources, rejected):
        self.columns = columns
        self.sources = sources
        self.rejected = rejected


def run(transform, parameters, columns, count):
    """Cleans a batch of `count` rows.

    A record on which the function raises, or whose row does not fit the declared columns, is rejected with what was
    raised as its reason: nothing is lost of its neighbours, nor of the instance.
    """
    names = [field.name for field in transform.inputs]
    values = [read(field, column) for field, column in zip(transform.inputs, columns)]
    clean = transform.clean
    arguments = (parameters,) if transform.takes_parameters else ()
    rows, sources, rejected = [], [], []
    for place, record in zip(range(count), zip(*values)):
        try:
            verdict = clean(dict(zip(names, record)), *arguments)
        except Exception as cause:
            rejected.append((place, f"the transform raised {type(cause).__name__}: {cause}"))
            continue
        if not isinstance(verdict, Verdict):
            rejected.append((place, "the transform gave no verdict: it has to return emit, emit_all, drop or reject"))
        elif verdict.reason is not None:
            rejected.append((place, verdict.reason))
        else:
            rows += verdict.rows
            sources += [place] * len(verdict.rows)
    return _fitting(transform.outputs, rows, sources, rejected)


def _fitting(outputs, rows, sources, rejected):
    """The columns of what was made; records with a row that does not fit are rejected, which only writing tells."""
    try:
        return Made(_write(outputs, rows), sources, rejected)
    except Unfit:
        pass
    unfit = {}
    for row, source in zip(rows, sources):
        fault = _fault(outputs, row)
        if fault is not None:
            unfit.setdefault(source, fault)
    kept = [(row, source) for row, source in zip(rows, sources) if source not in unfit]
    columns = _write(outputs, [row for row, _ in kept])
    return Made(columns, [source for _, source in kept], sorted([*rejected, *unfit.items()]))


def _write(outputs, rows):
    try:
        return [write(field, [row.get(field.name) for row in rows]) for field in outputs]
    except AttributeError:
        raise Unfit("the row is not a dict") from None


def _fault(outputs, row):
    try:
        _write(outputs, [row])
    except Unfit as cause:
        return str(cause)
    return None
