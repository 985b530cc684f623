"""What a session tells about itself."""
