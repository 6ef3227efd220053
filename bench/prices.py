"""Prices of us-east-1, on demand, before tax; from the AWS Price List of October 2026."""

#: Dollars for a million: requests of a standard queue, of a FIFO queue, write units, read units.
SQS_REQUESTS = 0.40
SQS_FIFO_REQUESTS = 0.50
WRITE_UNITS = 0.625
READ_UNITS = 0.125

#: Dollars for a month of 730 hours: the smallest Redis of ElastiCache, one node of it.
REDIS_MICRO_MONTH = 11.68
