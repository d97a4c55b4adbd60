"""OpenID providers: a certified one, which Node runs, and one that does whatever a test wants."""
