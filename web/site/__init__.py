"""Pages: the front end, the API's documentation."""
