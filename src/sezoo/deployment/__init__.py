"""From an int8 model to what runs on a microcontroller."""
