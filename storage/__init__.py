"""The bottom room: events, metrics, tables and SQL. It imports nothing of ours and never hears of sockets."""
