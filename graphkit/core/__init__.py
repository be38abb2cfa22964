"""What everything stands on: errors, names, dtypes, sizes, nested structures. Imports nothing of ours."""
