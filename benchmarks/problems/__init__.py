"""What is convolved: layers of published networks, photographs, the numbers, how many of them."""
