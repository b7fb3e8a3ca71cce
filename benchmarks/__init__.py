"""Performance claims, each measured in one run against what a user would pick or the limit underneath."""
