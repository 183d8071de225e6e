"""What an expression may cost, told before it runs. Pure.

`estimate` says what Kubernetes 1.32 would of a rule over the sizes that its schema declares (`declared`), by which a
CRD is refused (`limits`); `bound` says what cel-expr-python may take over the values that are there (`measure`), by
which an expression isn't run (`budget`).
"""
