"""The texts of printed reports, and how numbers and times are written in each language."""
