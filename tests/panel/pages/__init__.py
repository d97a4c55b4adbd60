"""Pages of the dashboard other than its overview and its lists, in a browser."""
