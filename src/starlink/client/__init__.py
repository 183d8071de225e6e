"""A thin asyncio client for any Kubernetes API, and list+watch caches that cannot go silent.

Knows HTTP, kubeconfigs and the API's conventions; knows no kind from another. It is on every hot
path and in every agent, so it needs little: asyncio, ssl, httptools and msgspec.
"""
