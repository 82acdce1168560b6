"""Scrimp inside your own process: the same engine as the gateway, under your SDK's transport."""
