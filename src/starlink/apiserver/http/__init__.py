"""The way in: TLS, HTTP/1.1, limits and fairness, in front of the framework-free core."""
