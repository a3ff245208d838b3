# What the transform makes of the sample, and of one record.
import pathlib
import unittest

from clean import clean
from tidemill_sdk import emit
from tidemill_sdk.testing import run


class Clean(unittest.TestCase):
    def test_the_sample(self):
        lines = pathlib.Path(__file__).with_name("sample.jsonl").read_text().splitlines()
        outcome = run(clean, lines)
        rows = [
            (0, {"product": "tea", "price": 2.5, "at": "2026-05-27T11:30:59Z"}),
            (1, {"product": "rice", "price": None, "at": None}),
        ]
        self.assertEqual(outcome.rows, rows)
        self.assertEqual(outcome.rejected, [(2, "the record names no product"), (3, "the price is negative")])

    def test_one_record(self):
        record = {"product": "tea", "price": 2.5, "at": None}
        self.assertEqual(clean(record), emit({"product": "tea", "price": 2.5, "at": None}))
