"""Everything that people see of a run: terminal, metric log, pictures and report."""
