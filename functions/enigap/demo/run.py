def demo() -> int:
    raise SystemExit(2)
