"""What a run shows to people: the terminal, the metric log, pictures and the page."""
