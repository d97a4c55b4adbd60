"""The command alerts: rules from a file, and the rules that there are."""
