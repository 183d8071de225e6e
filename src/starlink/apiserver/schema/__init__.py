"""What objects must be like: structural schemas, and the CRDs that bring them."""
