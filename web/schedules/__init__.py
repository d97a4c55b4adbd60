"""Reports that are sent again and again, by e-mail or to webhooks: endpoints, due times, and the sender."""
