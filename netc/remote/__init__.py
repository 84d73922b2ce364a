"""Files at addresses: of web servers, and of the file systems that fsspec knows."""
