"""The wire: requests to GLM services and the events that come back. Knows no IPython."""
