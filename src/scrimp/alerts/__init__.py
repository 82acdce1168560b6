"""What deserves an alert, and how it is worded: decisions over numbers that others bring. Pure."""
