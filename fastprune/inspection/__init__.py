"""What a file is: a network, a set of images, a results directory; told without running it."""
