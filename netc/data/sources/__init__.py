"""The sources of data: one function per kind of file, under the decorator `source`."""
