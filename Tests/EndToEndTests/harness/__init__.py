"""What the end-to-end tests start, stop and talk to."""
