"""Forecast the time, memory and disk of runs before they start."""
