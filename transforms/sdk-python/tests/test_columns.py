# Values through columns and back, and values that a column cannot hold.
import unittest

from tidemill_sdk.columns import Unfit, read, write
from tidemill_sdk.fields import Field


class Columns(unittest.TestCase):
    def check(self, kind, values, expected=None):
        field = Field("x", [], kind, True)
        self.assertEqual(read(field, write(field, values)), values if expected is None else expected, kind)

    def test_each_type_comes_back_as_it_went(self):
        self.check("boolean", [True, None, False])
        self.check("int64", [0, -1, None, 2**63 - 1, -(2**63)])
        self.check("float64", [0.1, None, -2.5, 7], [0.1, None, -2.5, 7.0])
        self.check("timestamp", [1527420659250000, None, -1])
        self.check("text", ["plain", None, "", "ascii only"])
        self.check("text", ["\ufeffmark", "Åland 🇦🇽", None, "plain"])
        self.check("text", ["half of a pair \ud83c"], ["half of a pair ?"])
        self.check("bytes", [b"\x00\xff", None, b""])
        self.check("json", ['{"a": [1]}', None, "1e400"])
        self.check("float64-list", [[1, 2.5], None, []], [[1.0, 2.5], None, []])
        self.check("text-list", [["é", ""], None, [], ["b"]])

    def test_many_rows_with_nulls_among_them(self):
        self.check("text", [None if row % 3 == 0 else f"row {row}" for row in range(1000)])
        self.check("text", [])

    def test_what_does_not_fit_is_said(self):
        def unfit(kind, nullable, value, message):
            with self.assertRaises(Unfit) as raised:
                write(Field("x", [], kind, nullable), [value])
            self.assertEqual(str(raised.exception), f'column "x": {message}')

        unfit("text", False, None, "it is not declared as one that may be null")
        unfit("text", True, 5, "expected a text, found 5")
        unfit("int64", True, 1.5, "expected a whole number of 64 bits, found 1.5")
        unfit("int64", True, True, "expected a whole number of 64 bits, found True")
        unfit("int64", True, 2**63, f"expected a whole number of 64 bits, found {2**63}")
        unfit("float64", True, 10**400, f"expected a number, found {'1' + '0' * 99}")
        unfit("timestamp", True, "2018-05-27", "expected a whole number of microseconds, found '2018-05-27'")
        unfit("boolean", True, 1, "expected True or False, found 1")
        unfit("json", True, "{", "expected a text that is JSON, found '{'")
        unfit("float64-list", True, [1, "2"], "expected a list of numbers, found [1, '2']")
