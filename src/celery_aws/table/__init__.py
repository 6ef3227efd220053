"""What the package keeps in DynamoDB tables, whoever keeps it."""
