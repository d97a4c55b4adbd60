"""Import: the tables that a platform kept by itself before."""
