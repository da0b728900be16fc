"""glm-jupyter: ask GLM models in a notebook cell."""
