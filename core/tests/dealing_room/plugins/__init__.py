"""The plugins of a session in a room, a module each as the core wants them; they make the parts."""
