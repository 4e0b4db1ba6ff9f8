"""Lambda handlers: they connect the adapters in `aws` to the pipeline. `self_test` is the exception."""
