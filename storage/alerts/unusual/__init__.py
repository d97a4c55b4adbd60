"""What is unusual of a figure: scores by conformal ranks, and how many false alarms they allow."""
