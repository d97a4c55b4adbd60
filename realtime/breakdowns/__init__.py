"""Live breakdowns: the first rows of one metric by a dimension, read again when they can have changed."""
