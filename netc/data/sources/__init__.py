"""The sources of data: a function for each kind of file, under the decorator `source`."""
