"""An app's queues as an operator sees them: how full they are, and what others left there."""
