"""The kinds of rows that the console lists, a file each."""
