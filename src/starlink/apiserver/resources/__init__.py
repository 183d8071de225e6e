"""The resources that are served, and their objects as the store and the wire have them."""
