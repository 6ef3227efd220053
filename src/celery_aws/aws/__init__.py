"""The only folder that touches boto3: clients, typed operations, the error table, the meter."""
