"""How limited resources are shared between accounts: shares, turns, pauses, token buckets; pure."""
