"""Hot requests past most of botocore: over its connections, with its credentials."""
