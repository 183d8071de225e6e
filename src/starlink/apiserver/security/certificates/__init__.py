"""Certificates: the authority's own, the server's, and those that are asked for."""
