"""From the text of a cell to the text and the pictures of a prompt."""
