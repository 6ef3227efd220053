"""Tasks that are due later than SQS can delay a message: who moves them to SQS, and when."""
