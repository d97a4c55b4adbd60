"""Reports as PDF: what they hold, how it is written in each language, and the process that typesets them."""
