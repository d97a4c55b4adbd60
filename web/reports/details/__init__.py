"""The reports about one thing: a user, a conversation, an endpoint, a model; and the search that leads to them."""
