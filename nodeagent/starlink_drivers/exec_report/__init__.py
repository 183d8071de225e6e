"""The driver exec-report: runs a command and says how it ended. It is what tests of drivers use."""
