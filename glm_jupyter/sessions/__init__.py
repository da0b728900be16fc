"""What is going on in a kernel: the session, its settings, its conversation, its turns."""
