# The host's log; outside a component, standard error.
import sys


def _to_stderr(level, text):
    print(f"{level}: {text}", file=sys.stderr)


_sink = _to_stderr


def log_to(sink):
    """Where lines go from now on: a function of a level and a text."""
    global _sink
    _sink = sink


def debug(text):
    """What helps to find a fault."""
    _sink("debug", str(text))


def info(text):
    """What is worth knowing."""
    _sink("info", str(text))


def warn(text):
    """What is odd, but no fault."""
    _sink("warn", str(text))


def error(text):
    """What is wrong."""
    _sink("error", str(text))
