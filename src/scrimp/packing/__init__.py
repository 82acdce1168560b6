"""Several calls in one prompt: which may, how they are asked, what each gets. Pure."""
