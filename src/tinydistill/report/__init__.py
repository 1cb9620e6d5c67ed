"""The results of many runs, side by side on a page: read from artifacts, drawn, written."""
