"""Options and settings: parsed and checked once, frozen from then on."""
