"""What every shell shares: from a request to a call, and from a reply to an answer."""
