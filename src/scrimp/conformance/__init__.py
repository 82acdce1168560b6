"""Cases of every provider's wire shape, and what plays them: through our readers, or a gateway."""
