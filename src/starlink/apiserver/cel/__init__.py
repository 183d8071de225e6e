"""CEL as Kubernetes has it: the rules of schemas, and the language with its libraries for admission policies.

Pure: an expression sees what it is given. `rules` are those of schemas, `library` compiles and evaluates, the other
modules are its functions.
"""

from starlink.apiserver.cel.rules import BadRule, Rule, Rules, check, compile_rules, value_at

__all__ = ["BadRule", "Rule", "Rules", "check", "compile_rules", "value_at"]
