"""Where objects are kept: one narrow protocol (`base.Store`), a module a backend.

Knows keys, bytes, revisions and watch events. Knows nothing of Kubernetes, JSON or HTTP, and
imports nothing else of StarLink. A backend acknowledges a write only when it is durable.
"""
