"""Other tools at the same work, each as its users set it up, in an environment of its own."""
