"""Tables and figures from stored runs; nothing here trains or loads a model."""
