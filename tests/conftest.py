"""What every test may use."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["celery_aws.testing.fixtures", "pytester"]

# A shared machine may stop for a second at any place; a time limit would only be noise.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")
