"""How the server does: metrics, and what it does at the moment."""
