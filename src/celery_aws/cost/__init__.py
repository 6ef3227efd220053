"""What a workload costs, on SQS and elsewhere, and what was spent."""
