"""What a user types: `%%glm` and `%glm`, their options, and what each command shows."""
