"""What a net costs: operations, parameters, bytes, measured latency."""
