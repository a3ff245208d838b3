# Places and times of pins as they come and as they come out.
import json
import unittest

from clean import clean
from tidemill_sdk import emit
from tidemill_sdk.testing import run


class Clean(unittest.TestCase):
    def check(self, record, expected):
        outcome = run(clean, [json.dumps(record)])
        self.assertEqual((outcome.rows, outcome.rejected), ([(0, expected)], []), record)

    def check_rejected(self, record, reason):
        outcome = run(clean, [json.dumps(record)])
        self.assertEqual((outcome.rows, outcome.rejected), ([], [(0, reason)]), record)

    def test_a_whole_record(self):
        place = {"latitude": -88.8298, "longitude": -170.188}
        self.check(
            {"ind": 0, "timestamp": "2019-01-01 07:21:13", **place, "country": "Albania"},
            {"ind": 0, "country": "Albania", "coordinates": [-88.8298, -170.188], "timestamp": "2019-01-01T07:21:13Z"},
        )

    def test_coordinates_need_both(self):
        def coordinates(record, expected):
            self.check({"ind": 1, **record}, {"ind": 1, "country": None, "coordinates": expected, "timestamp": None})

        coordinates({"latitude": 1, "longitude": 2}, [1.0, 2.0])
        coordinates({"latitude": 1.5}, None)
        coordinates({"latitude": None, "longitude": 1.5}, None)

    def test_texts_that_stand_for_nothing_are_null(self):
        def texts(record, country, timestamp):
            expected = {"ind": 1, "country": country, "coordinates": None, "timestamp": timestamp}
            self.check({"index": 1, **record}, expected)

        texts({"country": "Côte d'Ivoire "}, "Côte d'Ivoire ", None)
        texts({"country": " \u00a0"}, None, None)
        texts({"timestamp": " 2018-05-27 11:30:59\u00a0"}, None, "2018-05-27T11:30:59Z")
        texts({"timestamp": "2018-02-29 11:30:59"}, None, None)

    def test_records_of_other_tables_are_rejected(self):
        self.check_rejected({"country": "Albania"}, 'the record has neither "ind" nor "index"')
        foreign = "the record has no field of a geolocation but its number: it may be meant for another table"
        self.check_rejected({"index": 1, "title": "a"}, foreign)

    def test_the_function_alone(self):
        raw = {"ind": 1, "timestamp": None, "latitude": 2.0, "longitude": 3.0, "country": None}
        self.assertEqual(clean(raw), emit({"ind": 1, "country": None, "coordinates": [2.0, 3.0], "timestamp": None}))
