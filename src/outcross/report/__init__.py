"""Reports: tidy frames, verdicts, charts and the page, all from the rows of a store."""
