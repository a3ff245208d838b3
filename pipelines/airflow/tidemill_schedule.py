"""A run of a Tidemill schedule by Airflow's clock: started over HTTP, looked at until it has ended."""

import json
import os
import urllib.request

import pendulum
from airflow.decorators import dag, task
from airflow.exceptions import AirflowException
from airflow.sensors.base import PokeReturnValue

SCHEDULE = "daily"
URL = os.environ.get("TIDEMILL_URL", "http://127.0.0.1:9082") + f"/schedules/{SCHEDULE}/runs"


def ask(method, url):
    request = urllib.request.Request(url, method=method)
    if key := os.environ.get("TIDEMILL_KEY"):
        request.add_header("Authorization", f"Bearer {key}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@dag(schedule="@daily", start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), catchup=False)
def tidemill_schedule():
    @task(retries=3)
    def start(ts=None):
        # The same time again is the same run: a task that is tried again starts nothing twice.
        return ask("POST", f"{URL}?time={pendulum.parse(ts).in_tz('UTC').format('YYYY-MM-DDTHH:mm:ss')}Z")["id"]

    @task.sensor(poke_interval=5, timeout=3600, mode="reschedule")
    def ended(run):
        found = ask("GET", f"{URL}/{run}")
        if found["state"] in ("failed", "skipped"):
            raise AirflowException(found["log"])
        return PokeReturnValue(is_done=found["state"] == "done", xcom_value=found)

    ended(start())


tidemill_schedule()
