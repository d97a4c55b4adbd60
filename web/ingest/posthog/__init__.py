"""PostHog's batches: from what its SDKs post to events."""
