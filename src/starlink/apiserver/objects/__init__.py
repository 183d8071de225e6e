"""Objects by the rules of the Kubernetes API: created, updated, applied and deleted in a store.

It knows resources, their schemas and the store, and nothing of HTTP. What is decided of an object (`shaping`,
`checking`) is pure; the clock, chance and the store lie behind `backing`.
"""

from starlink.apiserver.objects.contract import UNRESTRICTED, Admission, Change, Unrestricted, Written
from starlink.apiserver.objects.facade import Objects

__all__ = ["UNRESTRICTED", "Admission", "Change", "Objects", "Unrestricted", "Written"]
