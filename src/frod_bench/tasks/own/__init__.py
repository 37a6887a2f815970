"""Rows of one's own: where they lie, how their files are read, and what their columns and classes are."""
