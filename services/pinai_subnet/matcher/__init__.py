"""Who gets the work: bidding windows, auctions, assignments and their delivery."""
