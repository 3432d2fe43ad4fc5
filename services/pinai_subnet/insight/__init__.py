"""What operators want to know, put together from what the processes tell. No process runs here, nothing is printed."""
