"""The steps of the demo: each sends real work, waits for the result and checks it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import chain, chord, group
from PIL import Image

from examples.webteam.mail_sink import MailSink
from examples.webteam.tasks.images import add_border, resize, to_grey
from examples.webteam.tasks.mail import send_mail
from examples.webteam.tasks.payments import CardDeclinedError, charge
from examples.webteam.tasks.rates import fetch_rate
from examples.webteam.tasks.weather import report, wettest

#: Seconds for one result.
TIMEOUT = 30

YEARS = (2012, 2013, 2014, 2015)
WIDTHS = (1200, 800, 400, 200)


class UnexpectedError(Exception):
    """A task did not give what it should have given."""


@dataclass(frozen=True)
class Outcome:
    """What a step shows: one line, and more lines where one does not do."""

    text: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """What the steps work with."""

    folder: Path
    mails: MailSink


Step = Callable[[Surroundings], Outcome]


def all_steps() -> Iterator[tuple[str, Step]]:
    """Return every step with its label."""
    yield "resize an image", resize_an_image
    yield "send a mail", send_a_mail
    yield "report over a CSV", report_over_a_csv_file
    yield "chain of 3", chain_of_three
    yield "group of 4", group_of_thumbnails
    yield "chord of 4 + 1", chord_over_the_years
    yield "retry with backoff", retry_with_backoff
    yield "a task that fails", task_that_fails


def resize_an_image(here: Surroundings) -> Outcome:
    photo = _photo(here.folder)
    picture = resize.delay(str(photo), 320).get(timeout=TIMEOUT)
    with Image.open(picture["path"]) as image:
        _expect(image.size, (320, 240))
    kilobytes = f"{photo.stat().st_size // 1024} KB -> {picture['bytes'] // 1024} KB"
    return Outcome(f"1600 x 1200 -> 320 x 240 pixels, {kilobytes}")


def send_a_mail(here: Surroundings) -> Outcome:
    result = send_mail.delay("ann@example.com", "Your order", "Hello Ann.")
    message_id = result.get(timeout=TIMEOUT)
    _expect([mail["Message-ID"] for mail in here.mails.mails], [message_id])
    mail = here.mails.mails[0]
    return Outcome(f'"{mail["Subject"]}" reached {mail["To"]}')


def report_over_a_csv_file(_: Surroundings) -> Outcome:
    year = report.delay(2015).get(timeout=TIMEOUT)
    _expect((year["days"], year["hottest_on"]), (365, "2015-07-19"))
    hottest = f"{year['hottest_c']} C on {year['hottest_on']}"
    return Outcome(f"Seattle 2015: {year['wet_days']} wet days, {hottest}")


def chain_of_three(here: Surroundings) -> Outcome:
    steps = chain(resize.s(str(_photo(here.folder)), 640), to_grey.s(), add_border.s(20))
    picture = steps.delay().get(timeout=TIMEOUT)
    name, size = Path(picture["path"]).name, (picture["width"], picture["height"])
    _expect((name, size), ("photo-640px-grey-framed.jpg", (680, 520)))
    return Outcome(f"resize, grey, frame: {name}")


def group_of_thumbnails(here: Surroundings) -> Outcome:
    photo = str(_photo(here.folder))
    pictures = group(resize.s(photo, width) for width in WIDTHS)().get(timeout=TIMEOUT)
    _expect([picture["width"] for picture in pictures], list(WIDTHS))
    return Outcome(f"thumbnails {', '.join(map(str, WIDTHS))} pixels wide")


def chord_over_the_years(_: Surroundings) -> Outcome:
    body = chord((report.s(year) for year in YEARS), wettest.s())
    year = body.delay().get(timeout=TIMEOUT)
    _expect(year["year"], 2014)
    return Outcome(f"4 reports, then the wettest: {year['year']}, {year['rain_mm']} mm")


def retry_with_backoff(_: Surroundings) -> Outcome:
    rate = fetch_rate.delay("JPY").get(timeout=TIMEOUT)
    _expect(rate["attempts"], 3)
    return Outcome("failed twice, waited 1 s and 2 s, then succeeded")


def task_that_fails(_: Surroundings) -> Outcome:
    result = charge.delay(4711, 1990)
    try:
        result.get(timeout=TIMEOUT)
    except CardDeclinedError as error:
        if not result.traceback:
            raise UnexpectedError("the traceback is missing") from error
        text = f"{type(error).__name__}, with the worker's traceback:"
        return Outcome(text, tuple(_own_frames(result.traceback)))
    raise UnexpectedError("the failing task did not fail")


def _own_frames(traceback: str) -> Iterator[str]:
    """Return a traceback without the frames of Celery itself."""
    lines = traceback.rstrip().splitlines()
    yield lines[0]
    ours = [number for number, line in enumerate(lines) if "webteam" in line]
    for line in lines[ours[0] :] if ours else lines[1:]:
        yield line.replace(f"{Path.cwd()}/", "")


def _photo(folder: Path) -> Path:
    photo = folder / "photo.jpg"
    if not photo.exists():
        Image.effect_mandelbrot((1600, 1200), (-2.2, -1.2, 1.0, 1.2), 60).save(photo, quality=95)
    return photo


def _expect(found: Any, wanted: Any) -> None:
    if found != wanted:
        raise UnexpectedError(f"got {found!r} instead of {wanted!r}")
