"""Admission policies in CEL: ValidatingAdmissionPolicy and ValidatingAdmissionPolicyBinding.

`engine` knows the store; the rest is pure: `request` is what is decided on, `matching` whether a policy means it,
`trial` what all that mean it say, `program` a policy compiled, `checks` what is refused of policies themselves.
Source: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from starlink.apiserver.policies.engine import Policies
from starlink.apiserver.policies.request import GROUP, AdmissionRequest
from starlink.apiserver.policies.review import Review, Reviewed

__all__ = ["GROUP", "AdmissionRequest", "Policies", "Review", "Reviewed"]
