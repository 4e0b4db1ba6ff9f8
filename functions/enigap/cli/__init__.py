"""The command line. It uses the same core and adapters as the deployed functions."""
