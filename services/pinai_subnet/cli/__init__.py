"""What operators type: subnetctl and its command groups."""
