"""Pages: one HTML file of a rule file, and the template that every page shares."""
