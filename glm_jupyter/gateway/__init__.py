"""The class gateway: one key for many users, with budgets and fair turns.

`python -m glm_jupyter.gateway --config glm_gateway.toml` runs it. It speaks the service's own
API: users ask it with their token as the key, and it asks the service with its own.
"""
