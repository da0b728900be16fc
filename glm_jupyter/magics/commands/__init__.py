"""The commands of `%glm`, a module for each group of them."""
