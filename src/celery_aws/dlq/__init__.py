"""Dead letters: what lies in an app's dead-letter queues, and how it gets out again."""
