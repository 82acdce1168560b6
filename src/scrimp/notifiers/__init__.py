"""Ways to reach somebody with an alert; each implements `notices.Notifier`."""
