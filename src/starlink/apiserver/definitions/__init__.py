"""CustomResourceDefinitions: what they may say, and the resources that they add."""
