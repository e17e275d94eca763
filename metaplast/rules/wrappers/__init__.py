"""Rules that hold other rules: each limits, delays, adds to or adds up the changes inside."""
