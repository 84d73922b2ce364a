"""The version of netc."""

VERSION = "0.1.0"
