"""Who may do what: RBAC, the rule of agents, reviews, and the audit log."""
