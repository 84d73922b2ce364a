"""Data sets that are known by name, and how their files are downloaded."""
