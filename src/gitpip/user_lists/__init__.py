"""Lists of users in files: spreadsheets, CSV, JSON and plain lists, read as rows."""
