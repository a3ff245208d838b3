# Texts that stand for nothing, and times as text.
import unittest

from tidemill_sdk import parse_timestamp, present, trim
from tidemill_sdk.time import format_timestamp


class Texts(unittest.TestCase):
    def test_blanks_matter_only_to_the_comparison(self):
        def check(text, expected):
            self.assertEqual(present(text, ["None", "N/A"]), expected, repr(text))

        check("a", "a")
        check(" a… \u00a0", " a… \u00a0")
        check("", None)
        check(" \t\u00a0\u3000\n", None)
        check("None", None)
        check("\u00a0N/A\n", None)
        check("none", "none")
        check("None of it", "None of it")
        check("None \u0085", None)
        check(None, None)
        self.assertEqual(trim("\x1c a\u0085"), "\x1c a")

    def test_times_are_read_strictly(self):
        def check(text, expected):
            micros = parse_timestamp(text)
            self.assertEqual(None if micros is None else format_timestamp(micros), expected, text)

        check("2018-05-27 11:30:59", "2018-05-27T11:30:59Z")
        check("2018-05-27T11:30:59.25", "2018-05-27T11:30:59.25Z")
        check("2018-05-27T11:30:59.1234567Z", "2018-05-27T11:30:59.123456Z")
        check("2018-05-27T13:30:59+02:00", "2018-05-27T11:30:59Z")
        check("2018-05-27T13:30:59-0230", "2018-05-27T16:00:59Z")
        check("2018-05-27T13:30:59+02", "2018-05-27T11:30:59Z")
        check("1969-12-31 23:59:59.999999", "1969-12-31T23:59:59.999999Z")
        check("9999-12-31 23:59:59.999999", "9999-12-31T23:59:59.999999Z")
        check("0001-01-01 00:00:00", "0001-01-01T00:00:00Z")
        check("2020-02-29 23:59:59", "2020-02-29T23:59:59Z")
        wrong = [
            "2018-02-29 11:30:59",
            "2018-13-01 11:30:59",
            "2018-05-27 24:30:59",
            "2018-05-27 11:30:60",
            "2018:05:27 11:30:59",
            "2018-05-27",
            " 2018-05-27 11:30:59",
            "2018-05-27 11:30:59.",
            "2018-05-27 11:30:59+24:00",
            "2018-05-27 11:30:59\n",
            "",
        ]
        for text in wrong:
            check(text, None)
        self.assertIsNone(parse_timestamp(None))
