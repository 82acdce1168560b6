"""Knowledge about budgets: windows, and which limits a call meets. Pure: nothing here does I/O."""
