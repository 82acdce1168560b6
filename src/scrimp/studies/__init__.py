"""Studies: models and routers beside each other. Their pipeline comes from outside."""
