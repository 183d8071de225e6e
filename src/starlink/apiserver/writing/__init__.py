"""Requests that change something: bodies, options, patches, managed fields, the rules of single kinds."""
