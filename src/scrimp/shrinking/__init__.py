"""What makes a call smaller: turns that may go, texts that may be written shorter. Pure."""
