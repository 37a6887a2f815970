"""One run from its configuration to its record, here or in a process of its own."""
