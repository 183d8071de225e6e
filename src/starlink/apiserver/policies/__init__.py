"""Admission policies in CEL: ValidatingAdmissionPolicy and ValidatingAdmissionPolicyBinding.

`engine` knows the store and decides on requests; the rest is pure: `request` is what is decided on, `matching` whether
a policy means it, `program` a policy compiled, `checks` what is refused of policies themselves.
Source: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from starlink.apiserver.policies.engine import Policies, Reviewed
from starlink.apiserver.policies.request import GROUP, AdmissionRequest

__all__ = ["GROUP", "AdmissionRequest", "Policies", "Reviewed"]
