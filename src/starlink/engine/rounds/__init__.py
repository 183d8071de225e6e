"""One round: plan → place → plan, over a fleet that is kept from round to round."""
