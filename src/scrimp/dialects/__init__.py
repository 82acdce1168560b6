"""Wire APIs of vendors, sans-IO: bytes to words and back."""
