"""PyG data and the graph neural network."""
