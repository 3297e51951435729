"""The version, in one place: the build reads it from here, and the log says it without a look at the installation."""

VERSION = "0.1.0"
