# Declarations, verdicts, parameters, and what becomes of a record on which the function fails.
import json
import unittest

from tidemill_sdk import drop, emit, emit_all, reject, transform
from tidemill_sdk.testing import run


@transform(
    inputs={"line": {"type": "text", "aliases": ["text"]}, "@offset": "int64"},
    outputs={"word": "text", "line": "int64", "price": "float64?"},
    parameters={
        "least": {"type": "integer", "minimum": 1, "default": 1, "description": "Shorter words are left out."},
        "stop": {"type": "array", "items": {"type": "string"}, "default": ["the"]},
        "currency": {"type": "string", "enum": ["EUR", "USD"], "default": "EUR"},
        "note": {"type": "string", "default": None},
    },
)
def words(raw, parameters):
    line, offset = raw["line"], raw["@offset"]
    if line == "":
        return reject("the line is empty")
    if line == "skip":
        return drop()
    if line == "raise":
        raise TypeError("a fault")
    if line == "nothing":
        return None
    if line == "unfit":
        return emit_all([{"word": "good", "line": offset}, {"word": 5, "line": offset}])
    if line == "no dict":
        return emit(5)
    if line == "one":
        return emit({"word": "one", "line": offset, "price": 1})
    kept = [word for word in line.split(" ") if len(word) >= parameters["least"] and word not in parameters["stop"]]
    return emit_all({"word": word, "line": offset} for word in kept)


def lines(*texts):
    return [json.dumps({"line": text}) for text in texts]


class Transforms(unittest.TestCase):
    def test_verdicts(self):
        outcome = run(words, lines("the tea", "", "skip", "the", "one", "a b"))
        expected = [
            (0, {"word": "tea", "line": 0, "price": None}),
            (4, {"word": "one", "line": 4, "price": 1.0}),
            (5, {"word": "a", "line": 5, "price": None}),
            (5, {"word": "b", "line": 5, "price": None}),
        ]
        self.assertEqual(outcome.rows, expected)
        self.assertEqual((outcome.rejected, outcome.dropped), ([(1, "the line is empty")], [2, 3]))

    def test_a_record_that_fails_is_rejected_alone(self):
        outcome = run(words, lines("tea", "raise", "nothing", "unfit", "no dict", "salt"))
        expected = [
            (1, "the transform raised TypeError: a fault"),
            (2, "the transform gave no verdict: it has to return emit, emit_all, drop or reject"),
            (3, 'column "word": expected a text, found 5'),
            (4, "the row is not a dict"),
        ]
        self.assertEqual([place for place, _ in outcome.rows], [0, 5])
        self.assertEqual(outcome.rejected, expected)

    def test_parameters_are_filled_in_and_checked(self):
        self.assertEqual(run(words, lines("the tea"), {"least": 4}).dropped, [0])
        self.assertEqual(len(run(words, lines("the tea"), {"stop": []}).rows), 2)

        def refused(parameters, message):
            with self.assertRaises(ValueError) as raised:
                run(words, [], parameters)
            self.assertEqual(str(raised.exception), message)

        refused({"least": 0}, 'parameter "least": 0 is less than 1')
        refused({"least": 1.5}, 'parameter "least": 1.5 is not a whole number')
        refused({"stop": ["a", 1]}, 'parameter "stop": item 1: 1 is not a text')
        refused({"currency": "GBP"}, 'parameter "currency": "GBP" is not one of "EUR", "USD"')
        refused({"lest": 1}, 'parameter "lest" is unknown; known are least, stop, currency, note')

    def test_a_parameter_without_a_default_has_to_be_given(self):
        needy = declared(parameters={"currency": {"type": "string"}})
        self.assertEqual(needy.schema["required"], ["currency"])
        with self.assertRaisesRegex(ValueError, 'parameter "currency" is missing'):
            run(needy, [])

    def test_declarations_are_checked(self):
        def refused(message, **change):
            with self.assertRaises((TypeError, ValueError)) as raised:
                declared(**change)
            self.assertTrue(str(raised.exception).startswith(message), raised.exception)

        refused("inputs: there are no fields", inputs={})
        refused("inputs.a: alias is unknown; known are type, aliases", inputs={"a": {"type": "text", "alias": "b"}})
        refused('outputs.a: the type "string" is unknown; write one of boolean', outputs={"a": "string"})
        refused("parameters.a: pattern is unknown", parameters={"a": {"type": "string", "pattern": "x"}})
        refused('parameter "a": "x" is not a number', parameters={"a": {"type": "number", "default": "x"}})


def declared(inputs={"a": "text?"}, outputs={"a": "text?"}, parameters=None):
    return transform(inputs=inputs, outputs=outputs, parameters=parameters)(emit)
