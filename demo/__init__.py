"""The whole pipeline on an embedded AWS, without an account. Never part of the deployed functions."""
