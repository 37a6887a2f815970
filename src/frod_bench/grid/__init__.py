"""The cells of a table, the stored runs that belong to them, and running those that are missing."""
