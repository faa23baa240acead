"""The JSON API under /api/v1: one module for each noun, with a `router`; `web.app` finds them.

A route is thin: it asks `visit.scope` and answers with a model. What every route shares stands in `routing`
(statuses, security, numbers in addresses), `fields` (the kinds of values) and `once` (Idempotency-Key).
"""
