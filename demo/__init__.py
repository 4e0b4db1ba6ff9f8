"""The demo: the whole pipeline on an embedded AWS, without an account. Not part of the deployed functions."""
