"""The tests, and what they share: its assertions say what they compared, too, when they fail."""

import pytest

pytest.register_assert_rewrite(
    *(f"tests.{name}" for name in ("client", "examples", "faults", "panel", "servers", "storage", "subscribers", "web"))
)
