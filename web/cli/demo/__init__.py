"""The command ``demo``: the service with a month of made-up events, and traffic that goes on."""
