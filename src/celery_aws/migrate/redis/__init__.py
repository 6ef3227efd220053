"""Redis as a side of a migration: what kombu keeps there, taken out of it and put back into it."""
