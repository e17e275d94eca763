"""Rules that hold other rules: each changes, limits, delays or adds up the changes of the rules inside."""
