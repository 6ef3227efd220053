"""What AWS asks for: prices with unit, region, source and date, from a file of the package."""

from celery_aws.prices.book import known_prices as known_prices
from celery_aws.prices.book import packaged_prices as packaged_prices
from celery_aws.prices.book import prices_with as prices_with
