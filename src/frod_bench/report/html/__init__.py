"""Stored runs as one HTML file that needs nothing else: data, style and script are in it."""
