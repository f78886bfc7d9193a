"""The building blocks from Network-in-Network to Inception v2, each usable alone; GoogLeNet's is `detect.inception`."""
