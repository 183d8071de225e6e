"""The life of an Assignment on this server, whatever runtime it has."""
