"""The graph network: data, layers, training, explanation (torch)."""
