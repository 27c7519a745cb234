"""Merge patch, JSON patch, strategic merge patch."""
