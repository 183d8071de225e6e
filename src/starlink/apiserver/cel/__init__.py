"""CEL as Kubernetes has it: the rules of schemas, and the language with its libraries for admission policies.

Pure: an expression sees what it is given. `rules` are those of schemas, `checking` sees whether they fit the types
of the schema, which `shapes`, `declarations` and `views` know; `shortcut` answers simple rules where the answer is
`certain`; `library` compiles and evaluates, and its functions
are in `lists`, `quantity`, `address`, `formats` and `authorizer`.
"""

from starlink.apiserver.cel.checking import verify
from starlink.apiserver.cel.rules import BadRule, Rules, check, compile_rules

__all__ = ["BadRule", "Rules", "check", "compile_rules", "verify"]
