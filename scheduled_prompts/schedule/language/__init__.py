"""Between schedules and people: `grammar` reads what they type, `words` says what a schedule means."""
