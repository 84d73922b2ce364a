"""Built-in data sets, and how netc downloads their files."""
