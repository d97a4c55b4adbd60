"""Reports that are sent by e-mail again and again: their endpoints, when they are due, and who sends them."""
