from pathlib import Path

from conformance import environment


def test_nothing_of_the_callers_own_setup_reaches_the_tests() -> None:
    inherited = {
        "HOME": "/home/x",
        "PATH": "/bin",
        "PYTHONPATH": "/somewhere",
        "CELERY_BROKER_URL": "amqp://",
        "BROKER_URL": "amqp://",
        "AWS_PROFILE": "production",
        "REDIS_HOST": "production",
    }

    told = environment.of_tests(
        inherited, {"REDIS_HOST": "127.0.0.1"}, progress=Path("p"), lift_skips=False
    )

    assert told["HOME"] == "/home/x"
    assert told["REDIS_HOST"] == "127.0.0.1"
    assert told["PATH"].endswith(":/bin")
    assert told["PYTHONPATH"] == f"/somewhere:{environment.REPOSITORY}"
    assert not {"CELERY_BROKER_URL", "BROKER_URL", "AWS_PROFILE"} & set(told)
    assert not told[environment.LIFT_SKIPS]
