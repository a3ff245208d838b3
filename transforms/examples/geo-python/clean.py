# The transform of the table geo, as transforms/geo has it in Rust.
from tidemill_sdk import emit, parse_timestamp, present, reject, transform, trim


@transform(
    inputs={
        "ind": {"type": "int64?", "aliases": ["index"]},
        "timestamp": "text?",
        "latitude": "float64?",
        "longitude": "float64?",
        "country": "text?",
    },
    outputs={
        "ind": "int64",
        "country": "text?",
        "coordinates": "float64-list?",
        "timestamp": "timestamp?",
    },
)
def clean(raw):
    """A text that is blank becomes null, and so does one that should be a time but is none."""
    timestamp, country = raw["timestamp"], raw["country"]
    latitude, longitude = raw["latitude"], raw["longitude"]
    if raw["ind"] is None:
        return reject('the record has neither "ind" nor "index"')
    if timestamp is None and latitude is None and longitude is None and country is None:
        return reject("the record has no field of a geolocation but its number: it may be meant for another table")
    return emit(
        {
            "ind": raw["ind"],
            "country": present(country),
            "coordinates": None if latitude is None or longitude is None else [latitude, longitude],
            "timestamp": None if timestamp is None else parse_timestamp(trim(timestamp)),
        }
    )
