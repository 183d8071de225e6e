"""CEL as Kubernetes has it: the rules of schemas, and the language with its libraries for admission policies.

Pure: an expression sees what it is given. `rules` are those of schemas, which `running` runs along objects; `checking`
sees whether they fit the types of the schema, which `shapes`, `declarations` and `views` know; `shortcut` answers
simple rules where the answer is `certain`; `library` compiles and evaluates, and its functions are in `lists`,
`quantity`, `address`, `formats` and `authorizer`. `cost` tells what an expression may take, of its `syntax`.
"""

from starlink.apiserver.cel.checking import verify
from starlink.apiserver.cel.rules import BadRule, Rules, compile_rules
from starlink.apiserver.cel.running import check

__all__ = ["BadRule", "Rules", "check", "compile_rules", "verify"]
