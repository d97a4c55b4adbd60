"""What LLM calls cost: the prices that ship with the service, those of a tenant, and the cost of a call."""
