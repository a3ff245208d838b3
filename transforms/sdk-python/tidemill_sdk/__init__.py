# What a transform is written with: declarations, verdicts, texts, times, the host's log.
from .log import debug, error, info, warn
from .text import present, trim
from .time import parse_timestamp
from .transform import Transform, transform
from .verdict import Verdict, drop, emit, emit_all, reject

__all__ = [
    "Transform",
    "Verdict",
    "debug",
    "drop",
    "emit",
    "emit_all",
    "error",
    "info",
    "parse_timestamp",
    "present",
    "reject",
    "transform",
    "trim",
    "warn",
]
