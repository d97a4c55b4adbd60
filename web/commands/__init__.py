"""What the commands do; ``web/cli.py`` names them."""
