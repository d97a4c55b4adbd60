"""What every endpoint shares: operations, problem documents, headers, connections."""
