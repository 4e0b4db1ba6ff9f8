"""Adapters to AWS. They convert AWS's answers to `core`'s types, and its errors to `AwsProblem`; so they do
with an answer that makes no sense (`pages`). What the services take for names is in `names`.

A module declares the calls it makes as narrow Protocols, and the permissions they need as `ACTIONS` (see
`iam`). Clients are created in `clients`, limited in time by `deadline`, and passed as arguments. Outside this
package, only `slack_webhook` and `lambdas` know SQS records and Lambda responses.
"""
