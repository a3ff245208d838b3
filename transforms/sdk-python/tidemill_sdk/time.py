# Points in time as microseconds since 1970 in UTC, read from text and written as text.
import re
from functools import lru_cache

_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]+))?(?:[Zz]|([+-][0-9]{2}(?::?[0-9]{2})?))?"
).fullmatch
_DAYS_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)
_DAYS_TO_1970 = 719_162
_SECOND = 1_000_000


def parse_timestamp(text):
    """Reads `2018-05-27 11:30:59` or with a `T`, with or without a fraction (what is beyond the microsecond is cut
    off), with or without `Z` or an offset such as `+02:00`; without one it is UTC.

    None for anything else, and for None: no blanks around it, no day that its month does not have, no hour 24, no
    second 60.
    """
    found = None if text is None else _TIME(text)
    if found is None:
        return None
    date, hour, minute, second, fraction, zone = found.groups()
    days = _days_before(date)
    seconds = _seconds(hour, minute)
    if days is None or seconds is None or second > "59":
        return None
    seconds += days * 86_400 + int(second)
    if zone is not None:
        east = _seconds(zone[1:3], zone[3:].removeprefix(":") or "00")
        if east is None:
            return None
        seconds -= -east if zone[0] == "-" else east
    return seconds * _SECOND + (int(fraction[:6].ljust(6, "0")) if fraction else 0)


def format_timestamp(micros):
    """RFC 3339 in UTC, with a fraction only where there is one."""
    seconds, fraction = divmod(micros, _SECOND)
    days, second = divmod(seconds, 86_400)
    year, month, day = _date(days)
    tail = f".{fraction:06}".rstrip("0") if fraction else ""
    return f"{year:04}-{month:02}-{day:02}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}{tail}Z"


@lru_cache(maxsize=2048)
def _seconds(hour, minute):
    """The seconds of two digits each, if they are an hour and a minute."""
    return int(hour) * 3600 + int(minute) * 60 if hour <= "23" and minute <= "59" else None


def _is_leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days_before_year(year):
    past = year - 1
    return past * 365 + past // 4 - past // 100 + past // 400 - _DAYS_TO_1970


# Records that come together often share their date.
@lru_cache(maxsize=4096)
def _days_before(date):
    """The days from 1970 to a date of the Gregorian calendar, if there is such a date."""
    year, month, day = map(int, date.split("-"))
    if not 1 <= month <= 12:
        return None
    leap = _is_leap(year)
    start = _DAYS_BEFORE_MONTH[month - 1]
    length = _DAYS_BEFORE_MONTH[month] - start + (leap and month == 2)
    if not 1 <= day <= length:
        return None
    return _days_before_year(year) + start + (leap and month > 2) + day - 1


def _date(days):
    """The year, month and day that lie `days` after 1970-01-01."""
    # A year is counted too long here, so the guess is at or before the year that is looked for.
    year = 1970 + (days // 365 if days < 0 else days // 366)
    while _days_before_year(year + 1) <= days:
        year += 1
    day = days - _days_before_year(year) + 1
    for month in range(1, 13):
        length = _DAYS_BEFORE_MONTH[month] - _DAYS_BEFORE_MONTH[month - 1] + (month == 2 and _is_leap(year))
        if day <= length:
            break
        day -= length
    return year, month, day
