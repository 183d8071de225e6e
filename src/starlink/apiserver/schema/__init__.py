"""Schemas as trees, and the forms and words that all checks along them share."""
