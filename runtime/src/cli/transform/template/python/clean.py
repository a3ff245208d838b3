# The transform of the table NAME.
from tidemill_sdk import emit, parse_timestamp, present, reject, transform


@transform(
    # What is read of a record: its fields are those of the JSON object. A ? is for what may be missing.
    inputs={
        "product": {"type": "text?", "aliases": ["sku"]},
        "price": "float64?",
        "at": "text?",
    },
    # What comes out of it: its fields are the table's columns, in this order.
    outputs={
        "product": "text",
        "price": "float64?",
        "at": "timestamp?",
    },
)
def clean(raw):
    """A record becomes a row, or is rejected and kept as a dead letter with the reason."""
    product, price, at = raw["product"], raw["price"], raw["at"]
    if present(product, ["N/A"]) is None:
        return reject("the record names no product")
    if price is not None and price < 0:
        return reject("the price is negative")
    return emit({"product": product, "price": price, "at": parse_timestamp(at)})
