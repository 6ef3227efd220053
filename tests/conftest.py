"""What every test may use."""

pytest_plugins = ["celery_aws.testing.fixtures", "pytester"]
