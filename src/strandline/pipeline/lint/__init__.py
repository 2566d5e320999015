"""The star linter: rules that look at what a project declares, each with a reason and a way to mend it."""
