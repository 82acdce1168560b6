"""From one dialect to another: requests, replies, streams, errors. Pure."""
