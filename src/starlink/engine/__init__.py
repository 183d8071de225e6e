"""One round: plan → place → plan. What `starlink plan`, the tests and the operator all call.

Pure; joins planning, which knows tasks, and scheduling, which knows servers.
"""
