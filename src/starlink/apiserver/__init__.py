"""The embedded Kubernetes-compatible API server.

A framework-free core, `handler.Api.handle(Request) -> Response | Stream`, over a `store.Store`, with an
HTTP adapter in front. Knows the Kubernetes API and custom resources; knows nothing of what a Task
means, and imports neither planning nor scheduling nor engine.
"""
