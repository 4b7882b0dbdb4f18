"""The version of the installed distribution."""

VERSION = "0.1.0"
