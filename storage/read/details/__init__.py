"""What one thing is made of: a user, a conversation, an endpoint, a model."""
