"""The shop's ``celeryconfig.py`` at each stage of its migration."""
