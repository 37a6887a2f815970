"""One run from its configuration to its record, in this process or in its own."""
