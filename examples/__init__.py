"""What others may copy: programs that use the service and its client."""
