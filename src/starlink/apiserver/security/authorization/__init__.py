"""Who may do what: RBAC, the rules of agents, and reviews, which are questions about both."""
