"""Rules that hold other rules, and change or add up the changes of these."""
