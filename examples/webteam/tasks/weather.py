"""Reports over four years of daily weather in Seattle; see ``data/README.md``."""

import csv
from pathlib import Path
from typing import TypedDict

from examples.webteam.app import app

CSV_FILE = Path(__file__).parents[1] / "data" / "seattle-weather.csv"


class Year(TypedDict):
    """What a year was like."""

    year: int
    days: int
    wet_days: int
    rain_mm: float
    hottest_c: float
    hottest_on: str


@app.task
def report(year: int) -> Year:
    """Sum up one year."""
    with CSV_FILE.open(newline="") as file:
        days = [row for row in csv.DictReader(file) if row["date"].startswith(f"{year}/")]
    hottest = max(days, key=lambda day: float(day["temp_max"]))
    return {
        "year": year,
        "days": len(days),
        "wet_days": sum(float(day["precipitation"]) > 0 for day in days),
        "rain_mm": round(sum(float(day["precipitation"]) for day in days), 1),
        "hottest_c": float(hottest["temp_max"]),
        "hottest_on": hottest["date"].replace("/", "-"),
    }


@app.task
def wettest(years: list[Year]) -> Year:
    """Return the year with the most rain."""
    return max(years, key=lambda year: year["rain_mm"])
