"""Posts rows with `requests`, as the original emulators did: row by row, a table after the other, through the API gateway.

usage: emulators.py STAGE ROWS

Each row goes twice: to a topic by the batch variant, and with an index greater by 100,000 to a stream by the streaming variant.
Prints which statuses and which answers came, as JSON.
"""

import datetime
import json
import random
import sys

import requests

stage, rows = sys.argv[1], int(sys.argv[2])
random.seed(100)
statuses, answers = {}, {}


def note(variant, response):
    key = f"{variant} {response.status_code}"
    statuses[key] = statuses.get(key, 0) + 1
    answers[variant] = response.json()


def batch(topic, row, dates):
    payload = json.dumps({"records": [{"value": row}]}, default=dates)
    headers = {"Content-Type": "application/vnd.kafka.json.v2+json"}
    note("batch", requests.request("POST", f"{stage}/topics/{topic}", headers=headers, data=payload))


def stream(topic, row, dates, wrong):
    payload = json.dumps({"StreamName": wrong or topic, "Data": row, "PartitionKey": "partition-1"}, default=dates)
    headers = {"Content-Type": "application/json"}
    note("stream", requests.request("PUT", f"{stage}/streams/{topic}/record", headers=headers, data=payload))


def tables(index):
    """A row of each table: dates as a database gives them."""
    return {
        "pin": {
            "index": index,
            "unique_id": f"00000000-0000-4000-8000-{index:012}",
            "title": random.choice(["No Title Data Available", "Crème brûlée 🍮", "Ten ideas"]),
            "description": "No description available Story format",
            "poster_name": random.choice(["User Info Error", "Æsop"]),
            "follower_count": random.choice(["User Info Error", "136k", "3M", "512"]),
            "tag_list": "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e",
            "is_image_or_video": "image",
            "image_src": "https://i.pinimg.com/originals/a.png",
            "downloaded": 1,
            "save_location": "Local save in /data/diy-and-crafts",
            "category": random.choice(["diy-and-crafts", "travel"]),
        },
        "geo": {
            "ind": index,
            "timestamp": datetime.datetime(2020, 8, 28, 3, 52, index % 60),
            "latitude": -89.9787,
            "longitude": -173.293,
            "country": random.choice(["Albania", "Côte d'Ivoire"]),
        },
        "user": {
            "ind": index,
            "first_name": "Abigail",
            "last_name": "Ali",
            "age": 20 + index % 40,
            "date_joined": datetime.datetime(2015, 10, 24, 11, 23, 51),
        },
    }


for nth in range(rows):
    # Both ways in which such rows were turned into text.
    dates = str if nth % 2 else datetime.datetime.isoformat
    for topic, row in tables(nth).items():
        batch(topic, row, dates)
        index = "index" if topic == "pin" else "ind"
        wrong = "pin" if topic == "user" else None
        stream(topic, {**row, index: nth + 100_000}, dates, wrong)

print(json.dumps({"statuses": statuses, "answers": {name: sorted(answer) for name, answer in answers.items()}}))
